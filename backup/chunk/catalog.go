package chunk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"davit/engine/hostfs"
)

// An Entry is one line of a catalog: what is known of a file without reading
// its content.
type Entry struct {
	Path string // below the item's root; "" is the root
	Kind Kind
	Mode uint32 // permission bits with setuid, setgid and sticky
	UID  uint32
	GID  uint32
	// Size is the size of a regular file in bytes, holes included.
	Size  int64
	Mtime hostfs.Timespec
	// Link is the target of a symlink, and of a hard link the path of the file
	// in the same item that holds the content.
	Link string
	Rdev uint64
	// Offset is where the headers begin in the entry's chunk, Data where the
	// content of a small file begins.
	Offset, Data int64
	// Chunks is the number of chunks that hold a big file's content, in the
	// layers after the entry's own.
	Chunks int
	// Sparse tells that the file has holes.
	Sparse bool
	// Xattrs is the number of extended attributes, ACLs included.
	Xattrs int
}

// Kind is the type of an entry, one letter as in `find -type`; h is a hard link.
type Kind byte

// The kinds of entries. Sockets are named in the catalog and not in the stream:
// no archive format carries them, and a server makes its own.
const (
	KindFile     Kind = 'f'
	KindFolder   Kind = 'd'
	KindSymlink  Kind = 'l'
	KindHardlink Kind = 'h'
	KindFifo     Kind = 'p'
	KindChar     Kind = 'c'
	KindBlock    Kind = 'b'
	KindSocket   Kind = 's'
)

// catalogLine is the JSON of every line of a catalog segment. A line with Layer
// begins a layer's entries; Continue tells whose content the first layers hold
// when a big file began in an earlier part.
type catalogLine struct {
	Layer    *int   `json:"layer,omitempty"`
	Entries  int    `json:"entries,omitempty"`
	Chunks   int    `json:"chunks,omitempty"`
	End      bool   `json:"end,omitempty"`
	Continue *text  `json:"continue,omitempty"`
	At       int64  `json:"at,omitempty"`
	Path     *text  `json:"p,omitempty"`
	Kind     string `json:"t,omitempty"`
	Mode     uint32 `json:"m,omitempty"`
	UID      uint32 `json:"u,omitempty"`
	GID      uint32 `json:"g,omitempty"`
	Size     int64  `json:"s,omitempty"`
	Mtime    string `json:"mt,omitempty"`
	Link     *text  `json:"l,omitempty"`
	Rdev     uint64 `json:"dev,omitempty"`
	Offset   int64  `json:"o,omitempty"`
	Data     int64  `json:"d,omitempty"`
	Count    int    `json:"c,omitempty"`
	Sparse   bool   `json:"sparse,omitempty"`
	Xattrs   int    `json:"x,omitempty"`
}

// text is a name or link: a JSON string where it is UTF-8, else an object with
// its bytes in base64, since file names are bytes and JSON strings are not.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var raw struct {
			B64 []byte `json:"b64"`
		}
		if err := json.Unmarshal(data, &raw); err != nil {
			return err
		}
		*t = text(raw.B64)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*t = text(s)
	return nil
}

// appendText writes s as text reads it.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		dst = append(dst, `{"b64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
		return append(dst, `"}`...)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendEntry writes one entry line.
func appendEntry(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"p":`...)
	dst = appendText(dst, e.Path)
	dst = append(dst, `,"t":"`...)
	dst = append(dst, byte(e.Kind), '"')
	number := func(key string, n int64) {
		if n != 0 {
			dst = append(dst, ',', '"')
			dst = append(dst, key...)
			dst = append(dst, '"', ':')
			dst = strconv.AppendInt(dst, n, 10)
		}
	}
	number("m", int64(e.Mode))
	number("u", int64(e.UID))
	number("g", int64(e.GID))
	number("s", e.Size)
	dst = append(dst, `,"mt":"`...)
	dst = append(dst, formatTime(e.Mtime)...)
	dst = append(dst, '"')
	if e.Link != "" {
		dst = append(dst, `,"l":`...)
		dst = appendText(dst, e.Link)
	}
	if e.Rdev != 0 {
		dst = append(dst, `,"dev":`...)
		dst = strconv.AppendUint(dst, e.Rdev, 10)
	}
	number("o", e.Offset)
	number("d", e.Data)
	number("c", int64(e.Chunks))
	if e.Sparse {
		dst = append(dst, `,"sparse":true`...)
	}
	number("x", int64(e.Xattrs))
	return append(dst, "}\n"...)
}

// appendLayerLine begins the entries of a run; chunks counts the layers after it
// that hold the content of its last entry, as far as this part has them.
func appendLayerLine(dst []byte, layer, entries, chunks int) []byte {
	return fmt.Appendf(dst, `{"layer":%d,"entries":%d,"chunks":%d}`+"\n", layer, entries, chunks)
}

func appendContinueLine(dst []byte, path string, at int64, chunks int) []byte {
	dst = append(dst, `{"continue":`...)
	dst = appendText(dst, path)
	return fmt.Appendf(dst, `,"at":%d,"chunks":%d}`+"\n", at, chunks)
}

func appendEndLine(dst []byte, layer int) []byte {
	return fmt.Appendf(dst, `{"layer":%d,"end":true}`+"\n", layer)
}

// A group is a catalog's description of one run layer, or of the layers that
// continue a big file.
type group struct {
	layer     int  // of the run; for continued content the first content layer
	entries   int  // entry lines
	chunks    int  // content layers of the last entry in this part
	end       bool // the trailer of the stream
	continued bool
	path      string // whose content continues
	at        int64  // where in the stored content of that file
	lines     []byte // the entry lines
}

// scanGroups calls visit for each group of a plain catalog segment, in order.
// Entry lines are not looked into.
func scanGroups(segment []byte, visit func(*group) error) error {
	for len(segment) > 0 {
		line, rest, err := cutLine(segment)
		if err != nil {
			return err
		}
		var head catalogLine
		if err := json.Unmarshal(line, &head); err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		if head.Entries < 0 || head.Entries > maxRunEntries || head.Chunks < 0 || head.Chunks > maxPartLayers || head.At < 0 {
			return fmt.Errorf("catalog: group of %d entries and %d chunks", head.Entries, head.Chunks)
		}
		g := group{entries: head.Entries, chunks: head.Chunks, end: head.End, at: head.At}
		switch {
		case head.Continue != nil:
			g.continued, g.path = true, string(*head.Continue)
		case head.Layer != nil:
			g.layer = *head.Layer
		default:
			return fmt.Errorf("catalog: entry outside of a layer")
		}
		at := 0
		for range g.entries {
			n := bytes.IndexByte(rest[at:], '\n')
			if n < 0 {
				return fmt.Errorf("catalog: cut short")
			}
			at += n + 1
		}
		g.lines, segment = rest[:at], rest[at:]
		if err := visit(&g); err != nil {
			return err
		}
	}
	return nil
}

func cutLine(data []byte) (line, rest []byte, err error) {
	n := bytes.IndexByte(data, '\n')
	if n < 0 {
		return nil, nil, fmt.Errorf("catalog: cut short")
	}
	return data[:n], data[n+1:], nil
}

// scanEntries calls visit for each entry line; e is valid during the call.
func scanEntries(lines []byte, visit func(e *Entry) error) error {
	var e Entry
	for len(lines) > 0 {
		line, rest, err := cutLine(lines)
		if err != nil {
			return err
		}
		if err := parseEntry(line, &e); err != nil {
			return err
		}
		if err := visit(&e); err != nil {
			return err
		}
		lines = rest
	}
	return nil
}

func parseEntry(line []byte, e *Entry) error {
	var l catalogLine
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	if l.Path == nil || len(l.Kind) != 1 {
		return fmt.Errorf("catalog: line without path or type")
	}
	mtime, err := parseTime(l.Mtime)
	if err != nil {
		return fmt.Errorf("catalog: %w", err)
	}
	*e = Entry{
		Path: string(*l.Path), Kind: Kind(l.Kind[0]), Mode: l.Mode, UID: l.UID, GID: l.GID,
		Size: l.Size, Mtime: mtime, Rdev: l.Rdev, Offset: l.Offset, Data: l.Data,
		Chunks: l.Count, Sparse: l.Sparse, Xattrs: l.Xattrs,
	}
	if l.Link != nil {
		e.Link = string(*l.Link)
	}
	return nil
}

// kindOf maps the type bits of a mode.
func kindOf(mode uint32) Kind {
	switch mode & hostfs.TypeMask {
	case hostfs.TypeRegular:
		return KindFile
	case hostfs.TypeFolder:
		return KindFolder
	case hostfs.TypeSymlink:
		return KindSymlink
	case hostfs.TypeFifo:
		return KindFifo
	case hostfs.TypeChar:
		return KindChar
	case hostfs.TypeBlock:
		return KindBlock
	}
	return KindSocket
}

// typeflag is the kind's letter in a tar header.
func (k Kind) typeflag() byte {
	switch k {
	case KindFolder:
		return tarFolder
	case KindSymlink:
		return tarSymlink
	case KindHardlink:
		return tarHardlink
	case KindFifo:
		return tarFifo
	case KindChar:
		return tarChar
	case KindBlock:
		return tarBlock
	}
	return tarFile
}
