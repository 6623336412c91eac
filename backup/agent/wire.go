package agent

import (
	"encoding/binary"
	"errors"

	"davit/engine/hostfs"
)

// op is what a question asks for.
type op byte

const (
	opHello    op = iota + 1 // -> protocol, version
	opOpen                   // path -> tree, file, state
	opSettle                 // tree -> time
	opWalk                   // tree, file, patterns -> walk
	opNext                   // walk -> more, entries
	opStop                   // walk
	opFetch                  // tree, paths -> files
	opFile                   // tree, path -> file, stat, xattrs
	opStat                   // file -> stat
	opSegments               // file, size -> segments
	opRead                   // file, offset, length -> bytes
	opClose                  // file
	opRestore                // tree, path, item -> result
	opBlob                   // digest, stored length -> frame; asked by the agent
	opProgress               // entries, bytes; said by the agent
)

// protocol is the version of what is spoken: client and agent must have the same.
const protocol = 1

var errWire = errors.New("what comes from the other side cannot be read")

// packer appends values to a body.
type packer struct{ b []byte }

func (p *packer) number(n int64) { p.b = binary.AppendVarint(p.b, n) }

func (p *packer) flag(set bool) {
	if set {
		p.b = append(p.b, 1)
		return
	}
	p.b = append(p.b, 0)
}

func (p *packer) bytes(data []byte) {
	p.b = append(binary.AppendUvarint(p.b, uint64(len(data))), data...)
}

func (p *packer) text(s string) {
	p.b = append(binary.AppendUvarint(p.b, uint64(len(s))), s...)
}

func (p *packer) texts(list []string) {
	p.number(int64(len(list)))
	for _, s := range list {
		p.text(s)
	}
}

func appendNaturals(b []byte, list ...uint64) []byte {
	for _, n := range list {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (p *packer) stat(s *hostfs.Stat) {
	p.b = appendNaturals(p.b, s.Dev, s.Ino, s.Rdev, s.MountID, uint64(s.Size), uint64(s.Blocks),
		uint64(s.Mtime.Sec), uint64(s.Mtime.Nsec), uint64(s.Ctime.Sec), uint64(s.Ctime.Nsec),
		uint64(s.Mode), uint64(s.Nlink), uint64(s.UID), uint64(s.GID))
}

func (p *packer) xattrs(list []hostfs.Xattr) {
	p.number(int64(len(list)))
	for _, x := range list {
		p.text(x.Name)
		p.bytes(x.Value)
	}
}

// segments of nil and of none are not the same: a file that is not sparse, and one that is all hole.
func (p *packer) segments(list []hostfs.Segment) {
	if list == nil {
		p.number(-1)
		return
	}
	p.number(int64(len(list)))
	for _, s := range list {
		p.number(s.Off)
		p.number(s.Len)
	}
}

// unpacker reads what a packer wrote; bad is set once something does not fit, and zeros follow.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) err() error {
	if u.bad {
		return errWire
	}
	return nil
}

func (u *unpacker) number() int64 {
	n, size := binary.Varint(u.b)
	if u.bad || size <= 0 {
		u.bad = true
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) natural() uint64 {
	n, size := binary.Uvarint(u.b)
	if u.bad || size <= 0 {
		u.bad = true
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) flag() bool {
	if u.bad || len(u.b) == 0 || u.b[0] > 1 {
		u.bad = true
		return false
	}
	set := u.b[0] == 1
	u.b = u.b[1:]
	return set
}

// bytes are valid as long as the body is.
func (u *unpacker) bytes() []byte {
	n := u.natural()
	if u.bad || n > uint64(len(u.b)) {
		u.bad = true
		return nil
	}
	data := u.b[:n:n]
	u.b = u.b[n:]
	return data
}

func (u *unpacker) text() string { return string(u.bytes()) }

// count reads the length of a list whose elements take at least size bytes each.
func (u *unpacker) count(size int) int {
	n := u.number()
	if n < 0 || n > int64(len(u.b)/size) {
		u.bad = u.bad || n != 0
		return 0
	}
	return int(n)
}

func (u *unpacker) texts() []string {
	list := make([]string, u.count(1))
	for i := range list {
		list[i] = u.text()
	}
	return list
}

func (u *unpacker) time() hostfs.Timespec {
	sec, nsec := int64(u.natural()), u.natural()
	u.bad = u.bad || nsec >= 1e9
	return hostfs.Timespec{Sec: sec, Nsec: uint32(nsec)}
}

func (u *unpacker) short() uint32 {
	n := u.natural()
	u.bad = u.bad || n > 1<<32-1
	return uint32(n)
}

func (u *unpacker) stat() hostfs.Stat {
	s := hostfs.Stat{Dev: u.natural(), Ino: u.natural(), Rdev: u.natural(), MountID: u.natural()}
	s.Size, s.Blocks = int64(u.natural()), int64(u.natural())
	s.Mtime, s.Ctime = u.time(), u.time()
	s.Mode, s.Nlink, s.UID, s.GID = u.short(), u.short(), u.short(), u.short()
	u.bad = u.bad || s.Size < 0 || s.Blocks < 0
	return s
}

func (u *unpacker) xattrs() []hostfs.Xattr {
	n := u.count(2)
	if n == 0 {
		return nil
	}
	list := make([]hostfs.Xattr, n)
	for i := range list {
		list[i] = hostfs.Xattr{Name: u.text(), Value: append([]byte(nil), u.bytes()...)}
		// What Linux itself allows.
		if name := list[i].Name; len(name) == 0 || len(name) > 255 || len(list[i].Value) > 64<<10 || hasNUL(name) {
			u.bad = true
		}
	}
	return list
}

// segments of a file of this size; they are in order and inside of it.
func (u *unpacker) segments(size int64) []hostfs.Segment {
	if len(u.b) > 0 && u.b[0] == 1 { // -1
		u.b = u.b[1:]
		return nil
	}
	list := make([]hostfs.Segment, u.count(2))
	end := int64(0)
	for i := range list {
		s := hostfs.Segment{Off: u.number(), Len: u.number()}
		if s.Off < end || s.Len <= 0 || s.Off > size || s.Len > size-s.Off {
			u.bad = true
		}
		list[i], end = s, s.Off+s.Len
	}
	return list
}

func hasNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
