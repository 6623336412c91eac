package backup

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"davit/backup/repo"
)

// The kinds of items.
const (
	KindVolume     = repo.KindVolume     // the files of a volume
	KindBind       = repo.KindBind       // the files of a bind mount, named by its source path
	KindPath       = repo.KindPath       // the files below a path, named by the path
	KindRWLayer    = repo.KindRWLayer    // a container's writable layer, named by the container
	KindImage      = repo.KindImage      // an image, named by a tag, or by its id when it has none
	KindContainer  = repo.KindContainer  // a container's definition
	KindNetwork    = repo.KindNetwork    // a network's definition
	KindDefinition = repo.KindDefinition // volume/NAME: a volume's definition; file/PATH: a compose or .env file
)

func kinds() []string {
	return []string{KindVolume, KindBind, KindPath, KindRWLayer, KindImage, KindContainer, KindNetwork, KindDefinition}
}

// isTree reports whether items of the kind hold files.
func isTree(kind string) bool {
	return kind == KindVolume || kind == KindBind || kind == KindPath || kind == KindRWLayer
}

// ItemRef is the parsed form of SNAPSHOT[:KIND/NAME[//PATH]].
type ItemRef struct {
	Snapshot string // "latest" or the beginning of an id
	Kind     string // "" for the whole snapshot
	Name     string // decoded
	Path     string // inside the item, without a leading slash, "" for all of it
}

// ParseItemRef parses SNAPSHOT[:KIND/NAME[//PATH]]. NAME is percent-encoded where it holds
// "/", ":" or "%"; because the first colon ends SNAPSHOT, a bare colon in NAME is accepted as well.
// PATH is taken as it is. Anything else is a *UsageError.
func ParseItemRef(s string) (ItemRef, error) {
	snapshot, rest, whole := strings.Cut(s, ":")
	if !validSnapshotSpec(snapshot) {
		return ItemRef{}, &UsageError{
			Reason: fmt.Sprintf("not a snapshot: %q", snapshot),
			Hint:   "name it as latest, an id, or the beginning of an id",
		}
	}
	ref := ItemRef{Snapshot: snapshot}
	if !whole {
		return ref, nil
	}
	var err error
	ref.Kind, ref.Name, ref.Path, err = parseItem(rest)
	return ref, err
}

// ParseItemName parses KIND/NAME, as --only takes it.
func ParseItemName(s string) (kind, name string, err error) {
	kind, name, path, err := parseItem(s)
	if err == nil && (path != "" || strings.Contains(s, "//")) {
		err = &UsageError{Reason: fmt.Sprintf("%q names a path inside an item, not an item", s)}
	}
	return kind, name, err
}

func parseItem(s string) (kind, name, path string, err error) {
	item, path, _ := strings.Cut(s, "//")
	kind, name, ok := strings.Cut(item, "/")
	switch {
	case !slices.Contains(kinds(), kind):
		return "", "", "", &UsageError{
			Reason: fmt.Sprintf("unknown kind of item in %q", s),
			Hint:   "an item is KIND/NAME with KIND one of " + strings.Join(kinds(), ", "),
		}
	case !ok || name == "":
		return "", "", "", &UsageError{
			Reason: fmt.Sprintf("item %q has no name", s),
			Hint:   "a slash in a name is written %2F: bind/%2Fsrv%2Fwww",
		}
	case strings.Contains(name, "/"):
		return "", "", "", &UsageError{
			Reason: fmt.Sprintf("name of item %q holds a slash", s),
			Hint:   fmt.Sprintf("write it %s/%s; a path inside an item follows after //", kind, EncodeName(name)),
		}
	}
	if name, err = decodeName(name); err != nil {
		return "", "", "", err
	}
	if path, err = cleanInnerPath(path); err != nil {
		return "", "", "", err
	}
	return kind, name, path, nil
}

// String is the inverse of ParseItemRef.
func (r ItemRef) String() string {
	if r.Kind == "" {
		return r.Snapshot
	}
	s := r.Snapshot + ":" + FormatItem(r.Kind, r.Name)
	if r.Path != "" {
		s += "//" + r.Path
	}
	return s
}

// FormatItem is KIND/NAME with the name percent-encoded.
func FormatItem(kind, name string) string { return kind + "/" + EncodeName(name) }

// EncodeName percent-encodes what cannot stand in NAME: "/", ":", "%", control characters, and in a name
// that is not UTF-8 every byte beyond ASCII.
func EncodeName(name string) string {
	text := utf8.ValidString(name)
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c == '/' || c == ':' || c == '%' || c < 0x20 || c == 0x7f || c > 0x7f && !text {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func decodeName(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return "", &UsageError{
				Reason: fmt.Sprintf("name %q holds a %% that two hex digits do not follow", s),
				Hint:   "a percent sign in a name is written %25",
			}
		}
		b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
		i += 2
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// cleanInnerPath drops empty components and refuses those that would move: the
// catalog holds neither "." nor "..", so a path with them names nothing.
func cleanInnerPath(p string) (string, error) {
	if p == "" {
		return "", nil
	}
	var parts []string
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "":
		case ".", "..":
			return "", &UsageError{Reason: fmt.Sprintf("path %q inside an item holds %q", p, part)}
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

func validSnapshotSpec(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		ok := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '_' || c == '.'
		if !ok {
			return false
		}
	}
	return true
}
