package chunk

import (
	"crypto/sha256"
	"encoding/binary"

	"davit/engine/hostfs"
)

// fingerprint identifies a run, a big file or a part by what the file system
// says of its members, without their content.
type fingerprint [32]byte

// role tells how a regular file with several links goes into the stream. It
// belongs to the fingerprint: renaming the folder of the first link makes another
// link the first, and moves no time of either.
type role byte

const (
	roleOnly    role = iota // not linked elsewhere in the item, as far as known
	rolePrimary             // the first of its links in the stream: holds the content
	roleLink                // names the primary
)

// tuple appends what must be equal for a member to be unchanged. The device
// number is left out: it moves when a volume is mounted again (btrfs, NFS, LVM),
// and an inode with the same ctime to the nanosecond on another device would have
// to sit under the same path.
func tuple(dst []byte, m *member) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(len(m.path)))
	dst = append(dst, m.path...)
	dst = append(dst, byte(m.role))
	dst = le.AppendUint32(dst, uint32(len(m.primary)))
	dst = append(dst, m.primary...)
	s := &m.stat
	for _, n := range [...]uint64{
		s.Ino, uint64(s.Size), uint64(s.Mtime.Sec), uint64(s.Ctime.Sec), s.Rdev,
		uint64(s.Mtime.Nsec)<<32 | uint64(s.Ctime.Nsec),
		uint64(s.Mode)<<32 | uint64(s.Nlink),
		uint64(s.UID)<<32 | uint64(s.GID),
	} {
		dst = le.AppendUint64(dst, n)
	}
	return dst
}

func (u *unit) fingerprints(scratch []byte) []byte {
	scratch = append(scratch[:0], "run 1"...)
	for i := range u.members {
		scratch = tuple(scratch, &u.members[i])
	}
	if u.big {
		scratch = append(scratch, "big"...)
	}
	u.runPrint = sha256.Sum256(scratch)
	if u.big {
		scratch = append(scratch[:0], "big 1"...)
		scratch = tuple(scratch, u.last())
		u.bigPrint = sha256.Sum256(scratch)
	}
	return scratch
}

// settled tells whether no member changed within two seconds before the pass
// began. Only then may the state be trusted later: a coarse clock, or a store
// into a page that was dirty already, can leave the times as they are.
func (u *unit) settled(begin hostfs.Timespec) bool {
	limit := begin
	limit.Sec -= 2
	for i := range u.members {
		s := &u.members[i].stat
		if !s.Mtime.Before(limit) || !s.Ctime.Before(limit) {
			return false
		}
	}
	return true
}
