package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"davit/engine/hostfs"
)

// errStream marks a chunk that is not what davit writes.
var errStream = errors.New("malformed stream")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errStream, fmt.Sprintf(format, args...))
}

// entryReader reads the entries of one plain run. It accepts what header.append
// writes and little else, since everything it returns is written to disk.
type entryReader struct {
	data    []byte
	at      int
	records map[string]string // PAX records of the entry; used again
}

// streamEntry is one entry of a run. Content is nil for a big file, whose
// content is in the chunks that follow.
type streamEntry struct {
	header  header
	content []byte
	big     bool
	offset  int // of its first header block
	data    int // of its content
}

// usualRecords is more than an entry has that no attribute makes longer.
const usualRecords = 16

// more tells whether the run has another entry.
func (r *entryReader) more() bool { return r.at < len(r.data) }

// next reads an entry into e.
func (r *entryReader) next(e *streamEntry) error {
	*e = streamEntry{offset: r.at}
	block, err := r.block()
	if err != nil {
		return err
	}
	if block[atKind] != tarExtended {
		return malformed("entry without PAX header")
	}
	size, err := parseOctal(block[atSize : atSize+12])
	if err != nil {
		return err
	}
	body, err := r.take(size)
	if err != nil {
		return err
	}
	if r.records == nil || len(r.records) > usualRecords { // clearing takes as long as the map was ever large
		r.records = map[string]string{}
	}
	if err := parseRecords(r.records, body); err != nil {
		return err
	}
	if block, err = r.block(); err != nil {
		return err
	}
	stored, err := e.header.parse(block, r.records)
	if err != nil {
		return err
	}
	return r.content(e, stored)
}

// block returns the next header block after checking its sum.
func (r *entryReader) block() ([]byte, error) {
	if len(r.data)-r.at < blockSize {
		return nil, malformed("header cut short")
	}
	b := r.data[r.at : r.at+blockSize]
	sum, err := parseOctal(b[atSum : atSum+8])
	if err != nil || sum != checksum(b) {
		return nil, malformed("bad checksum at byte %d", r.at)
	}
	if string(b[atMagic:atMagic+8]) != "ustar\x0000" {
		return nil, malformed("no ustar magic at byte %d", r.at)
	}
	r.at += blockSize
	return b, nil
}

// take returns size bytes and skips their padding.
func (r *entryReader) take(size int64) ([]byte, error) {
	rest := int64(len(r.data) - r.at)
	if size < 0 || size > rest {
		return nil, malformed("entry cut short")
	}
	body := r.data[r.at : r.at+int(size)]
	r.at += int(min(rest, size+int64(padding(size))))
	return body, nil
}

func (r *entryReader) content(e *streamEntry, stored int64) error {
	h := &e.header
	h.size = stored
	if h.kind != tarFile {
		if stored != 0 {
			return malformed("content in an entry of type %q", h.kind)
		}
		return nil
	}
	if _, ok := r.records["GNU.sparse.major"]; ok {
		segments, length, err := parseSparseMap(r.data[r.at:], h.real)
		if err != nil {
			return fmt.Errorf("%w: %w", errStream, err)
		}
		h.sparse, h.size = segments, stored-length
		if contentSize(segments) != h.size {
			return malformed("sparse map does not fit its content")
		}
		r.at += int(length)
	}
	e.data = r.at
	if h.size > 0 && !r.more() {
		e.big = true
		return nil
	}
	body, err := r.take(h.size)
	e.content = body
	return err
}

// parse fills h from a ustar block and the records before it, and returns the
// number of bytes that follow.
func (h *header) parse(b []byte, records map[string]string) (stored int64, err error) {
	numbers := [...]struct {
		from, to int
		value    int64
	}{{atMode, atUID, 0}, {atUID, atGID, 0}, {atGID, atSize, 0}, {atSize, atMtime, 0}, {atMajor, atMinor, 0}, {atMinor, atMinor + 8, 0}}
	for i := range numbers {
		n := &numbers[i]
		if n.value, err = parseOctal(b[n.from:n.to]); err != nil {
			return 0, err
		}
	}
	h.kind = b[atKind]
	h.mode = uint32(numbers[0].value & 0o7777)
	uid, gid, stored := numbers[1].value, numbers[2].value, numbers[3].value
	for _, n := range [...]struct {
		key string
		dst *int64
	}{{"uid", &uid}, {"gid", &gid}, {"size", &stored}, {"GNU.sparse.realsize", &h.real}} {
		if err := parseNumber(records, n.key, n.dst); err != nil {
			return 0, err
		}
	}
	if uid > 1<<32-1 || gid > 1<<32-1 {
		return 0, malformed("owner out of range")
	}
	h.uid, h.gid = uint32(uid), uint32(gid)
	h.rdev = hostfs.Mkdev(uint32(numbers[4].value), uint32(numbers[5].value))
	if h.mtime, err = parseTime(records["mtime"]); err != nil {
		return 0, err
	}
	h.xattrs = parseXattrs(records)
	return stored, h.parseNames(b, records)
}

func (h *header) parseNames(b []byte, records map[string]string) error {
	path := cString(b[:100])
	if long, ok := records["path"]; ok {
		path = long
	}
	if sparse, ok := records["GNU.sparse.name"]; ok {
		path = sparse
	}
	h.link = cString(b[atLink : atLink+100])
	if long, ok := records["linkpath"]; ok {
		h.link = long
	}
	switch h.kind {
	case tarFolder:
		var ok bool
		if path, ok = strings.CutSuffix(path, "/"); !ok {
			return malformed("folder without a slash")
		}
		if path == "." {
			path = ""
		}
	case tarFile, tarSymlink, tarChar, tarBlock, tarFifo:
	case tarHardlink:
		if err := checkPath(h.link); err != nil {
			return err
		}
	default:
		return malformed("entry of type %q", h.kind)
	}
	h.path = path
	if path == "" && h.kind == tarFolder {
		return nil
	}
	return checkPath(path)
}

// checkPath refuses names that lead out of the target or are ambiguous. What
// is written is opened beneath the target anyway; this gives the clear error.
func checkPath(path string) error {
	if path == "" || strings.IndexByte(path, 0) >= 0 {
		return malformed("empty or impossible name")
	}
	for rest, more := path, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		if name == "" || name == "." || name == ".." || len(name) > 255 {
			return malformed("name %q leads out of the target", path)
		}
	}
	return nil
}

func cString(b []byte) string {
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return string(b)
}

func parseOctal(field []byte) (int64, error) {
	text := strings.Trim(string(field), " \x00")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 8, 64)
	if err != nil || n < 0 {
		return 0, malformed("bad octal number %q", text)
	}
	return n, nil
}

// parseRecords replaces records by the PAX records of data; the last of a key wins, as POSIX says.
func parseRecords(records map[string]string, data []byte) error {
	clear(records)
	for len(data) > 0 {
		space := bytes.IndexByte(data[:min(len(data), 12)], ' ')
		if space <= 0 {
			return malformed("PAX record without length")
		}
		size, err := strconv.Atoi(string(data[:space]))
		if err != nil || size <= space+2 || size > len(data) || data[size-1] != '\n' {
			return malformed("PAX record of bad length")
		}
		key, value, ok := strings.Cut(string(data[space+1:size-1]), "=")
		if !ok || key == "" {
			return malformed("PAX record without key")
		}
		records[key] = value
		data = data[size:]
	}
	return nil
}

func parseNumber(records map[string]string, key string, dst *int64) error {
	text, ok := records[key]
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return malformed("bad number in record %s", key)
	}
	*dst = n
	return nil
}

// parseXattrs returns the attributes sorted by name. The text form of an ACL is
// for other readers; the raw attribute is the one that is restored.
func parseXattrs(records map[string]string) []hostfs.Xattr {
	var xattrs []hostfs.Xattr
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			xattrs = append(xattrs, hostfs.Xattr{Name: decodeKey.Replace(name), Value: []byte(value)})
		}
	}
	sort.Slice(xattrs, func(i, j int) bool { return xattrs[i].Name < xattrs[j].Name })
	return xattrs
}

// parseTime reads what formatTime writes.
func parseTime(text string) (hostfs.Timespec, error) {
	if text == "" {
		return hostfs.Timespec{}, nil
	}
	digits, negative := strings.CutPrefix(text, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < 0 || len(frac) > 9 {
		return hostfs.Timespec{}, malformed("bad time %q", text)
	}
	var nsec uint64
	if frac != "" {
		if nsec, err = strconv.ParseUint(frac+"000000000"[len(frac):], 10, 32); err != nil {
			return hostfs.Timespec{}, malformed("bad time %q", text)
		}
	}
	t := hostfs.Timespec{Sec: sec, Nsec: uint32(nsec)}
	if negative {
		t.Sec = -t.Sec
		if t.Nsec > 0 {
			t.Sec, t.Nsec = t.Sec-1, 1e9-t.Nsec
		}
	}
	return t, nil
}
