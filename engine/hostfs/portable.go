package hostfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// portable is a folder, by its path, and a walk of it that needs nothing but the standard library: what systems other
// than Linux have. It is built everywhere, so that it is tested where the tests run.
type portable struct{ path string }

func openPortable(path string) (*portable, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", path, err)
	}
	return &portable{path}, nil
}

// Stat looks at the folder itself.
func (r *portable) Stat() (Stat, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return Stat{}, err
	}
	return statOf(info), nil
}

// statOf is what the standard library tells everywhere. Blocks are what the size fills, and every file has one name.
func statOf(info fs.FileInfo) Stat {
	st := Stat{Size: info.Size(), Blocks: (info.Size() + 511) / 512, Mtime: TimespecOf(info.ModTime()), Nlink: 1, Mode: uint32(info.Mode().Perm())}
	switch info.Mode().Type() {
	case 0:
		st.Mode |= TypeRegular
	case fs.ModeDir:
		st.Mode |= TypeFolder
	case fs.ModeSymlink:
		st.Mode |= TypeSymlink
	}
	return st
}

// Walk visits the root and everything below it: depth first, the names of a folder sorted by their bytes, a folder before
// what is in it. Mounts are entered.
func (r *portable) Walk(ctx context.Context, o WalkOptions, visit func(*Entry) error) error {
	root, err := r.Stat()
	if err != nil {
		return fmt.Errorf("walk %s: %w", r.path, err)
	}
	if err := visit(&Entry{Stat: root}); err != nil {
		return err
	}
	return r.walk(ctx, o, "", func(e *Entry) (bool, error) { return true, visit(e) })
}

func (r *portable) walk(ctx context.Context, o WalkOptions, dir string, visit func(*Entry) (bool, error)) error {
	entries, err := os.ReadDir(filepath.Join(r.path, filepath.FromSlash(dir)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && o.Problem != nil {
		o.Problem(dir, fmt.Errorf("read folder: %w", err))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, d := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			continue // it is gone
		}
		e := Entry{Dir: dir, Name: d.Name(), Stat: statOf(info)}
		if o.Skip != nil && o.Skip(dir, e.Name, &e.Stat) {
			continue
		}
		enter, err := visit(&e)
		if err != nil {
			return err
		}
		if enter && e.IsDir() {
			if err := r.walk(ctx, o, e.Path(), visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepPortable visits the root and everything below it, one after the other.
func sweepPortable[T any](ctx context.Context, r *portable, o SweepOptions, top T, visit SweepVisit[T]) error {
	root, err := r.Stat()
	if err != nil {
		return fmt.Errorf("walk %s: %w", r.path, err)
	}
	in := map[string]T{} // by folder
	below, enter := visit(0, top, &Entry{Stat: root})
	if in[""] = below; !enter {
		return nil
	}
	return r.walk(ctx, WalkOptions{Problem: o.Problem}, "", func(e *Entry) (bool, error) {
		below, enter := visit(0, in[e.Dir], e)
		if enter && e.IsDir() {
			in[e.Path()] = below
		}
		return enter, nil
	})
}
