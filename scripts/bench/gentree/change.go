package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// changeTree changes part of the regular files below dir, picked at random; the modes
// are edit in place, append, rewrite, and replace by a new file of another name.
func changeTree(dir string, rng *rand.Rand, src *source, part float64) (files int, written int64, err error) {
	paths, err := regular(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, i := range rng.Perm(len(paths))[:int(float64(len(paths))*part)] {
		n, err := changeFile(paths[i], rng, src)
		if err != nil {
			return files, written, fmt.Errorf("change %s: %w", paths[i], err)
		}
		files++
		written += n
	}
	return files, written, nil
}

func regular(dir string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, p)
		}
		return err
	})
	return paths, err
}

func changeFile(path string, rng *rand.Rand, src *source) (int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	size := st.Size()
	switch p := rng.Float64(); {
	case p < 0.4 && size > 0: // a stretch in the middle
		n := min(size, 1+rng.Int64N(4096))
		return overwrite(path, src.bytes(int(n)), rng.Int64N(size-n+1))
	case p < 0.6:
		return overwrite(path, src.bytes(1+rng.IntN(4096)), size)
	case p < 0.9:
		b := src.bytes(int(min(size, 1<<20)) + rng.IntN(512))
		return int64(len(b)), os.WriteFile(path, b, 0o644)
	default:
		b := src.bytes(int(min(size, 1<<20)))
		if err := os.Remove(path); err != nil {
			return 0, err
		}
		return int64(len(b)), os.WriteFile(fmt.Sprintf("%s.%d", path, rng.IntN(1000)), b, 0o644)
	}
}

func overwrite(path string, b []byte, off int64) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	n, err := f.WriteAt(b, off)
	if e := f.Close(); err == nil {
		err = e
	}
	return int64(n), err
}

func (s *source) bytes(n int) []byte {
	b := make([]byte, n)
	s.fill(b, s.kind())
	return b
}
