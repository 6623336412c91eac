// Package daemonjson reads and edits the engine's configuration file: it finds it, changes
// single settings, and leaves everything else in it as the operator wrote it.
//
// # Words
//
//   - file: daemon.json, wherever the engine was told it is.
//   - key, value: a member of a JSON object in it. A key is given as the path from the top:
//     "features", "containerd-snapshotter".
//   - flag: an argument of dockerd. A setting may come by a flag or by the file.
//   - conflict: a setting that comes by both, with which dockerd does not start.
//
// # Guarantees
//
//   - Setting and removing a key changes the bytes of that member and of the comma beside it.
//     Order, indentation, line ends, byte order mark and encoding of the rest stay.
//   - A file that is no JSON object, or holds a key twice, is refused with line and column,
//     and never written. A file without anything in it is an empty object, as for dockerd.
//   - Saving is atomic and durable; owner, mode and extended attributes (a security label) stay, and so
//     does a symlink to the file. A file that somebody else changed since it was read is not
//     overwritten.
package daemonjson
