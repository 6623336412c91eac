package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// large lists the files on top of the log-normal ones, as parts of all bytes.
var large = []struct {
	name string
	part float64
	kind kind
}{
	{"db/base.dat", 0.08, rows},
	{"media/film.mkv", 0.06, noise},
	{"log/all.log", 0.03, text},
	{"opt/server", 0.02, binary},
	{"media/song.flac", 0.01, noise},
}

type maker struct {
	dir  string
	rng  *rand.Rand
	src  *source
	buf  []byte
	made []string // regular files so far, relative
}

func makeTree(dir string, rng *rand.Rand, src *source, files int, bytes int64) error {
	m := &maker{dir: dir, rng: rng, src: src}
	for _, l := range large {
		if err := m.file(l.name, int(l.part*float64(bytes)), l.kind); err != nil {
			return err
		}
		bytes -= int64(l.part * float64(bytes))
	}
	names := m.names(files - len(large))
	sizes := lognormal(rng, len(names), bytes)
	for i, name := range names {
		if err := m.entry(name, sizes[i]); err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	return nil
}

// names lays n files into folders of about a dozen, up to five levels deep.
func (m *maker) names(n int) []string {
	ext := [...]string{"go", "so", "dat", "txt", "js", "json", "bin", "log"}
	dirs := []string{"lib", "srv", "share", "app", "cache"}
	for len(dirs) < n/12 {
		parent := dirs[m.rng.IntN(len(dirs))]
		if depth(parent) < 5 {
			dirs = append(dirs, fmt.Sprintf("%s/%s%d", parent, syllables(m.rng), len(dirs)))
		}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s/%s%d.%s", dirs[m.rng.IntN(len(dirs))], syllables(m.rng), i, ext[m.rng.IntN(len(ext))])
	}
	return names
}

func depth(p string) int {
	n := 1
	for _, c := range p {
		if c == '/' {
			n++
		}
	}
	return n
}

func syllables(rng *rand.Rand) string {
	const cons, vow = "bdfgklmnprstv", "aeiou"
	var b []byte
	for range 1 + rng.IntN(4) {
		b = append(b, cons[rng.IntN(len(cons))], vow[rng.IntN(len(vow))])
	}
	return string(b)
}

// lognormal returns n sizes whose sum is about total; the median is a seventh of the mean.
func lognormal(rng *rand.Rand, n int, total int64) []int {
	const sigma = 1.95
	raw, sum := make([]float64, n), 0.0
	for i := range raw {
		raw[i] = math.Exp(min(rng.NormFloat64(), 3.5) * sigma)
		sum += raw[i]
	}
	sizes := make([]int, n)
	for i, r := range raw {
		sizes[i] = int(r * float64(total) / sum)
	}
	return sizes
}

// entry makes one file, or now and then a link or a copy of an earlier file.
func (m *maker) entry(name string, size int) error {
	switch p := m.rng.Float64(); {
	case p < 0.02:
		return m.symlink(name)
	case p < 0.025:
		old := m.made[m.rng.IntN(len(m.made))]
		if err := m.folder(name); err != nil {
			return err
		}
		return os.Link(m.path(old), m.path(name))
	case p < 0.04 && len(m.made) > len(large):
		data, err := os.ReadFile(m.path(m.made[len(large)+m.rng.IntN(len(m.made)-len(large))]))
		if err != nil {
			return err
		}
		return m.write(name, data)
	}
	return m.file(name, size, m.src.kind())
}

func (m *maker) symlink(name string) error {
	if err := m.folder(name); err != nil {
		return err
	}
	return os.Symlink("../"+filepath.Base(name), m.path(name))
}

func (m *maker) file(name string, size int, k kind) error {
	if cap(m.buf) < size {
		m.buf = make([]byte, size)
	}
	b := m.buf[:size]
	m.src.fill(b, k)
	m.made = append(m.made, name)
	return m.write(name, b)
}

func (m *maker) write(name string, data []byte) error {
	if err := m.folder(name); err != nil {
		return err
	}
	p := m.path(name)
	if err := os.WriteFile(p, data, 0o644); err != nil {
		return err
	}
	old := time.Unix(1_600_000_000+m.rng.Int64N(100_000_000), m.rng.Int64N(1e9))
	return os.Chtimes(p, old, old)
}

func (m *maker) path(name string) string { return filepath.Join(m.dir, name) }

func (m *maker) folder(name string) error { return os.MkdirAll(filepath.Dir(m.path(name)), 0o755) }
