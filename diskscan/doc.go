// Package diskscan finds out where the space of a disk went: which limit is hit, which Docker object owns the bytes,
// which files are the largest, what is deleted and still open, and what can be freed now.
//
// Words:
//
//   - store: a folder in which an engine keeps its things: a data-root, or the root of a containerd.
//   - owner: whatever bytes are attributed to: an image, a container's writable layer, its logs, a volume, the build
//     cache, or a plain folder.
//   - place map: which path below a scanned folder belongs to which owner.
//   - facts: what Docker's own files, or the engine, say about containers, images and volumes.
//   - bytes are those on disk (allocated blocks); apparent bytes are the sum of file sizes.
//
// Guarantees:
//
//   - Nothing is written by scanning, and a disk with 0 bytes or 0 inodes free is scanned like any other. Docker's
//     databases are read from a copy in memory.
//   - No engine is needed. Where one answers, it gives states that are fresher, and the same owners.
//   - Files are counted once by device and inode, mount points are not entered, symlinks are not followed: the total
//     of a folder is what `du -x` says. A file with several links in the places of different owners belongs to the
//     owner whose kind and name sort first, so that two scans of an unchanged tree are equal.
//   - The memory of a scan does not grow with the number of files, except for files with several links of which not
//     all have been seen.
//   - What cannot be read is a problem in the report, never silence; the rest is still there.
package diskscan
