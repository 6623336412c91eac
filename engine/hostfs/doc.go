// Package hostfs is the host's file system as davit reads and writes it: a fast parallel walk, all metadata of a file
// (owner, mode, nanosecond times, extended attributes, ACLs, links, devices, holes), and files that are replaced
// atomically, locked, or kept as notes for who comes after a killed process; and whole trees, copied and compared.
// Elsewhere than on Linux there is only what a scan of plain folders and a client's state need, by the standard library
// and without the guarantees below.
//
// Words:
//
//   - root: an open folder; everything is opened beneath it, and no symlink is ever followed below it.
//   - rel: a path relative to a root, components parted by "/", without "." and ".."; "" is the root itself.
//   - name: one component. Names are bytes as the kernel gives them, not necessarily UTF-8.
//   - pass: one copy of a whole tree; a further pass brings the copy up to date.
//   - reflink: two files that share their data on disk until one of them changes.
//   - note: a locked file that tells what its process would leave if it were killed.
//   - segment: a range of a file that holds data; what lies between segments is a hole.
//
// Guarantees:
//
//   - Whoever changes the tree meanwhile (a container that owns the volume) cannot make a read leave the root, hang on
//     a fifo, or open a device: folders are opened with openat2 or by single components with O_NOFOLLOW, and files are
//     first looked at with O_PATH.
//   - An error names the operation and the path, and wraps the errno, so that errors.Is(err, fs.ErrNotExist) and
//     errors.Is(err, unix.EPERM) work.
//   - Nothing is cached between calls, and there are no globals. A Root or Dir may be used by several goroutines until
//     it is closed.
//
// /proc must be mounted: extended attributes of what cannot be opened are only reachable through it.
package hostfs
