// Package transfer copies snapshots from one repository to another, whatever
// either is stored on and whether it is encrypted.
//
// # Words
//
// The source is read, the target is written. A plan says which snapshots are
// copied, and is made and printed before anything is written. The origin of a
// snapshot is the repository and the id that it had first; a copy of a copy keeps
// it.
//
// # Guarantees
//
//   - A copy has the id, host, job, time and items of its original. So copying
//     again finds what is there and copies only the rest, and a copy that was cut
//     goes on where it was: every snapshot is committed when it is complete, the
//     oldest first, and what was stored of an unfinished one is used.
//   - What was forgotten in the target does not come back by itself, ever. Once Undelete cannot
//     bring it back, and its tombstone is gone, it is copied again when it is named.
//   - Every chunk that is copied is decoded and compared with its id first, every
//     other blob with its digest: what is damaged, or was put in another's place,
//     ends that snapshot's copy, and the others are copied.
//   - Nothing of an encrypted repository is written to one that is not, unless
//     Options.AllowPlaintext is set.
//   - The target is written by sessions of package repo alone: a copy may run
//     beside backups, removals and other copies.
//
// # Encryption
//
// From a clear to a clear repository the stored bytes are copied as they are.
// Otherwise chunks, catalogs, images and definitions are decrypted and encrypted for
// the target, and get the target's ids. To find in an encrypted source what the
// target has already, the last copies of the same host and job are laid beside
// their originals, part by part: they have the same shape.
//
// A ref in an encrypted target is signed in the name of the host that made the
// snapshot: with this host's own key for its own snapshots; for those of other hosts
// with a key that the authority certifies for this one copy, and that nobody
// keeps, so this needs an identity of the target. The signatures of the source are checked
// before. Who holds an identity can vouch for any host; the origin in the snapshot
// says that it is a copy, and of what. Where there is an identity, the copy is attested,
// too: all of it was read or was trusted before, and the next copy and the host
// itself may refer to it.
//
// # Chunks
//
// Chunks are copied as they were cut. Where the target's own backups cut otherwise
// (other chunk lengths, and in every encrypted repository another table for big
// files), copies and backups share no chunks of big files; copies share theirs with
// one another.
package transfer
