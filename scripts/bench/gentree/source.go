package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kind says what a file holds.
type kind int

const (
	text   kind = iota // source code
	binary             // pages of executables
	rows               // a table of numbers and words
	noise              // does not compress
)

// source produces contents.
type source struct {
	rng          *rand.Rand
	texts, execs []byte
}

// newSource reads the two corpora from the Go installation.
func newSource(rng *rand.Rand) (*source, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find the Go installation: %w", err)
	}
	root := strings.TrimSpace(string(out))
	s := &source{rng: rng}
	isGo := func(p string) bool { return strings.HasSuffix(p, ".go") }
	if s.texts, err = corpus(filepath.Join(root, "src"), 48<<20, isGo); err != nil {
		return nil, err
	}
	if s.execs, err = corpus(filepath.Join(root, "bin"), 32<<20, func(string) bool { return true }); err != nil {
		return nil, err
	}
	if len(s.texts) < 1<<20 || len(s.execs) < 1<<20 {
		return nil, fmt.Errorf("too little to read below %s", root)
	}
	return s, nil
}

func corpus(dir string, limit int, take func(string) bool) ([]byte, error) {
	var all []byte
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !take(p) {
			return err
		}
		data, err := os.ReadFile(p)
		all = append(all, data...)
		if len(all) > limit {
			all = all[:limit]
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	return all, nil
}

// kind picks what a small file holds; by bytes, about half is text.
func (s *source) kind() kind {
	switch p := s.rng.Float64(); {
	case p < 0.50:
		return text
	case p < 0.75:
		return binary
	case p < 0.85:
		return rows
	default:
		return noise
	}
}

// fill fills b with contents of one kind.
func (s *source) fill(b []byte, k kind) {
	switch k {
	case text:
		s.pieces(b, s.texts, 512, 4096)
	case binary:
		s.pieces(b, s.execs, 4096, 4096)
	case rows:
		s.rows(b)
	default:
		for i := 0; i < len(b); i += 8 {
			v := s.rng.Uint64()
			for j := i; j < min(i+8, len(b)); j++ {
				b[j] = byte(v)
				v >>= 8
			}
		}
	}
}

// pieces lays random pieces of the corpus one after another, each of least to most bytes.
func (s *source) pieces(b, from []byte, least, most int) {
	for len(b) > 0 {
		n := least + s.rng.IntN(most-least+1)
		off := s.rng.IntN(len(from) - n)
		b = b[copy(b, from[off:off+n]):]
	}
}

func (s *source) rows(b []byte) {
	words := [...]string{"open", "paid", "sent", "lost", "held", "returned"}
	var line []byte
	for len(b) > 0 {
		line = fmt.Appendf(line[:0], "%d\t%08x\t%s\t%d.%02d\n", s.rng.IntN(1e7), s.rng.Uint32(),
			words[s.rng.IntN(len(words))], s.rng.IntN(5000), s.rng.IntN(100))
		b = b[copy(b, line):]
	}
}
