// Package chunk turns a file tree into a stream of chunks and back.
//
// # Words
//
// The stream of a tree is a pax archive: every entry has a PAX header with its
// time to the nanosecond, its extended attributes and its ACLs. It is cut into
// chunks, and each chunk is stored as one zstd frame of its own, so that the
// frames put together are one valid .tar.zst file.
//
// A run is a chunk that holds small entries whole, about [Params].RunTarget bytes
// of them. A big file (1 MiB and more) is cut by FastCDC inside its content, or,
// when its first page is one of PostgreSQL or SQLite, at multiples of 128 KiB,
// since such files are written in place and never shift; its header is the last
// entry of the run before. A part is a manifest of 64 to 450 chunks; its config is
// its segment of the catalog, the list of entries.
//
// # The stream
//
// Entries come depth first, names of a folder sorted by their bytes, a folder
// before what it holds; the root is "./". Names in PAX header blocks are constant,
// owners are numbers, and there is no global header and no access or change time,
// so that the stream depends on nothing but the tree. The first of several links to
// a file holds the content, the others name it. Holes of sparse files are kept in
// the GNU sparse format 1.0, with segments aligned to 4096 bytes. The last chunk is
// the end of the archive, two zero blocks.
//
// A run ends after an entry when it holds half of the target and the hash of the
// entry's path is below weight/half of the hash space, where an entry weighs 1536
// bytes and its padded size; or at four times the target; or at 4096 entries.
// It also ends before the header of a big file when it holds more than 64 KiB, and
// always after that header. Cuts depend on paths and sizes only: a file that is
// added or removed moves the cuts of one run.
//
// A part ends when it has at least 64 layers and the first eight bytes of the last
// id, as a number, are a multiple of 128; or at 450 layers; or after the run with
// which its catalog reaches 8 MiB.
//
// # The catalog
//
// A segment is a zstd frame of JSON lines. {"layer":L,"entries":N,"chunks":C} begins
// a run: N entry lines follow, and C layers after L hold content of the run's last
// entry. {"continue":PATH,"at":A,"chunks":C} stands first in a part that goes on
// with a big file, {"layer":L,"end":true} is the end of the stream; layer -1 holds
// no bytes. An entry line has p (path), t (type, as find -type, h for a hard link),
// m (mode), u, g, s (size), mt (mtime), l (link), dev, o and d (where headers and
// content begin in the chunk), c (chunks of a big file), sparse, x (attributes). A
// name that is not UTF-8 is {"b64":…}.
//
// # Guarantees
//
// What did not change is not read: the [Cache] knows runs, big files and parts by a
// fingerprint of their members' paths and stat results, and trusts a state only
// when it is two seconds older than the pass, which begins with syncfs. The stream
// made with a cache equals the one made without.
//
// A file that changes while it is read is read again, or reported; its entry has
// the length that was read, and no other entry is touched. Nothing outside of the
// root is read and nothing outside of the target is written, whatever a container
// or a hostile stream does. Memory is bounded by the number of workers.
package chunk
