package chunk

import (
	"strconv"
	"strings"

	"davit/engine/hostfs"
)

const (
	blockSize = 512
	// paxName is the name in every PAX header block. It is constant: a name
	// with the process id or the path would change the stream for nothing.
	paxName = "PaxHeaders/davit"
	// sparseName stands in the ustar block of a sparse file, whose true name is
	// in its GNU.sparse.name record; a reader that does not know the record
	// must not write the condensed bytes under the true name.
	sparseName = "GNUSparseFile/davit"

	maxOctal7  = 1<<21 - 1
	maxOctal11 = 1<<33 - 1
)

// header is one entry's description in the stream.
type header struct {
	path   string // below the item's root; "" is the root itself
	kind   byte   // tar typeflag
	mode   uint32 // permission bits with setuid, setgid, sticky
	uid    uint32
	gid    uint32
	mtime  hostfs.Timespec
	link   string // target of a symlink or hard link
	rdev   uint64
	xattrs []hostfs.Xattr
	size   int64            // bytes of content in the stream, without the sparse map
	sparse []hostfs.Segment // what the content covers; nil for a dense file
	real   int64            // size of a sparse file on disk
}

// tarPath is the entry's name in the stream: folders end in a slash, the root is
// "./" so that its owner, mode and times come back too.
func (h *header) tarPath() string {
	switch {
	case h.path == "":
		return "./"
	case h.kind == tarFolder:
		return h.path + "/"
	}
	return h.path
}

// append adds the header blocks, and the map of a sparse file, to dst.
func (h *header) append(dst []byte) []byte {
	var sparseMap []byte
	if h.sparse != nil {
		sparseMap = appendSparseMap(nil, h.sparse, h.real)
	}
	stored := h.size + int64(len(sparseMap))
	records := h.appendRecords(nil, stored)
	dst = appendUstar(dst, &ustar{name: paxName, kind: tarExtended, mode: 0o644, size: int64(len(records))})
	dst = append(dst, records...)
	dst = appendZeros(dst, padding(int64(len(records))))
	name := h.tarPath()
	if h.sparse != nil {
		name = sparseName
	}
	dst = appendUstar(dst, &ustar{
		name: name, kind: h.kind, mode: h.mode, uid: h.uid, gid: h.gid, size: stored,
		mtime: h.mtime.Sec, link: h.link,
		major: hostfs.Major(h.rdev), minor: hostfs.Minor(h.rdev),
	})
	return append(dst, sparseMap...)
}

// appendRecords writes the PAX records in a fixed order. Times are always there,
// so that every plain entry takes the three blocks that headerWeight assumes.
func (h *header) appendRecords(dst []byte, stored int64) []byte {
	path := h.tarPath()
	if h.sparse != nil {
		dst = appendRecord(dst, "GNU.sparse.major", "1")
		dst = appendRecord(dst, "GNU.sparse.minor", "0")
		dst = appendRecord(dst, "GNU.sparse.name", path)
		dst = appendRecord(dst, "GNU.sparse.realsize", strconv.FormatInt(h.real, 10))
	} else if !fitsUstar(path) {
		dst = appendRecord(dst, "path", path)
	}
	if h.link != "" && !fitsUstar(h.link) {
		dst = appendRecord(dst, "linkpath", h.link)
	}
	if stored > maxOctal11 {
		dst = appendRecord(dst, "size", strconv.FormatInt(stored, 10))
	}
	if h.uid > maxOctal7 {
		dst = appendRecord(dst, "uid", strconv.FormatUint(uint64(h.uid), 10))
	}
	if h.gid > maxOctal7 {
		dst = appendRecord(dst, "gid", strconv.FormatUint(uint64(h.gid), 10))
	}
	dst = appendRecord(dst, "mtime", formatTime(h.mtime))
	return appendAttributes(dst, h.xattrs)
}

// appendAttributes writes both records of an ACL: GNU tar removes an ACL that
// has only the raw one when it is told --acls, and sets none from the text when
// it is not.
func appendAttributes(dst []byte, xattrs []hostfs.Xattr) []byte {
	for _, x := range xattrs {
		key := ""
		switch x.Name {
		case "system.posix_acl_access":
			key = "SCHILY.acl.access"
		case "system.posix_acl_default":
			key = "SCHILY.acl.default"
		default:
			continue
		}
		if text, err := hostfs.ACLText(x.Value); err == nil {
			dst = appendRecord(dst, key, text)
		}
	}
	for _, x := range xattrs {
		dst = appendRecord(dst, xattrPrefix+encodeKey.Replace(x.Name), string(x.Value))
	}
	return dst
}

const xattrPrefix = "SCHILY.xattr."

// A PAX key ends at '='; GNU tar writes and reads these escapes for it.
var (
	encodeKey = strings.NewReplacer("%", "%25", "=", "%3D")
	decodeKey = strings.NewReplacer("%25", "%", "%3D", "=")
)

// appendRecord writes "LENGTH KEY=VALUE\n", where LENGTH counts itself.
func appendRecord(dst []byte, key, value string) []byte {
	rest := len(key) + len(value) + 3
	size := rest + digits(rest)
	if digits(size) != digits(rest) {
		size = rest + digits(size)
	}
	dst = strconv.AppendInt(dst, int64(size), 10)
	dst = append(dst, ' ')
	dst = append(dst, key...)
	dst = append(dst, '=')
	dst = append(dst, value...)
	return append(dst, '\n')
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// formatTime writes seconds with a fraction when there is one. A time before
// 1970 counts down from zero: half a second before the epoch is -0.5.
func formatTime(t hostfs.Timespec) string {
	sec, nsec, sign := t.Sec, t.Nsec, ""
	if sec < 0 {
		sign, sec = "-", -sec
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	if nsec == 0 {
		return sign + strconv.FormatInt(sec, 10)
	}
	frac := strconv.FormatUint(1e9+uint64(nsec), 10)[1:]
	return sign + strconv.FormatInt(sec, 10) + "." + strings.TrimRight(frac, "0")
}

// fitsUstar tells whether name can stand in a ustar block as it is.
func fitsUstar(name string) bool {
	if len(name) > 100 {
		return false
	}
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			return false
		}
	}
	return true
}

func padding(n int64) int { return int(-n & (blockSize - 1)) }

func appendZeros(dst []byte, n int) []byte {
	var zeros [blockSize]byte
	for ; n > blockSize; n -= blockSize {
		dst = append(dst, zeros[:]...)
	}
	return append(dst, zeros[:n]...)
}
