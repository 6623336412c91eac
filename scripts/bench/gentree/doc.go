// Gentree makes the file tree that the benchmarks back up, and changes part of it:
//
//	gentree [-seed N] [-files 80000] [-bytes 2000000000] FOLDER
//	gentree [-seed N] -change 0.01 FOLDER
//
// The same seed and Go version give the same tree. Sizes are log-normal (most files
// are a few KiB) with some large files on top; folders hold about a dozen files.
// Contents are what a server's volumes hold: source text and pages of executables, both
// taken from the Go installation in shuffled pieces of up to 4 KiB so that no long stretch
// occurs twice, table rows, and bytes that do not compress. A few files are copies,
// hard links and symbolic links. Times lie in the past.
//
// With -change that part of the regular files is edited in place, appended to, rewritten,
// or removed and replaced by a new one; the number of files and bytes written is printed.
package main
