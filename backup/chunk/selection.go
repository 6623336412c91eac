package chunk

import (
	"context"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// selection tells which entries a restore writes, and where. The zero value
// takes everything.
type selection struct {
	path string
	// alias gives the place of a file that is outside the selection and whose
	// links are inside: its content goes to the first of them.
	alias map[string]string
}

// place is where the entry of this path goes below the target.
func (s *selection) place(p string) (string, bool) {
	if s.path == "" {
		return p, true
	}
	if p == s.path {
		return path.Base(p), true
	}
	if rest, ok := strings.CutPrefix(p, s.path); ok && rest[0] == '/' {
		return path.Base(s.path) + rest, true
	}
	to, ok := s.alias[p]
	return to, ok
}

// resolve finds the aliases, and that the path exists.
func (s *selection) resolve(ctx context.Context, r Reader, item ocispec.Descriptor) error {
	if s.path == "" {
		return nil
	}
	alias := map[string]string{}
	found := false
	err := Files(ctx, r, item, func(e *Entry) error {
		to, ok := s.place(e.Path)
		found = found || ok
		if !ok || e.Kind != KindHardlink {
			return nil
		}
		if _, inside := s.place(e.Link); !inside && alias[e.Link] == "" {
			alias[e.Link] = to
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		return &NotFoundError{s.path}
	}
	s.alias = alias
	return nil
}

// wants tells whether some entry of g is selected, and whether the big file at
// its end is.
func (s *selection) wants(g *group) (some, big bool, err error) {
	if s.path == "" {
		return true, g.chunks > 0 || endsBig(g), nil
	}
	err = scanEntries(g.lines, func(e *Entry) error {
		_, ok := s.place(e.Path)
		some = some || ok
		big = ok && e.Chunks > 0
		return nil
	})
	return some, big, err
}

// endsBig tells whether the last entry has chunks that are all in later parts.
func endsBig(g *group) bool {
	lines := g.lines
	if len(lines) == 0 {
		return false
	}
	at := strings.LastIndexByte(string(lines[:len(lines)-1]), '\n') + 1
	var e Entry
	return parseEntry(lines[at:len(lines)-1], &e) == nil && e.Chunks > 0
}
