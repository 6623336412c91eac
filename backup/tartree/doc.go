// Package tartree makes a chunk.Tree of a tar archive, such as an engine gives of a container's folder: the way to files
// that can be reached in no other.
//
// Every walk asks for the archive anew and spools it to a nameless file, so that files can be read in the order of a
// tree. Nothing in it is believed to be unchanged since the last time.
//
// An archive is somebody else's text: names that leave the folder, what lies below what is no folder, and links to
// nothing are errors. Of two entries of one name the later counts, as for tar.
package tartree
