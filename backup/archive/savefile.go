package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Saver is the part of an engine that Save needs.
type Saver interface {
	SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error)
}

// Save writes an engine's archive of images to a file: packed by gzip or zstd
// on all processors when its name ends in .tar.gz, .tgz, .tar.zst or .tzst,
// and as it is otherwise. The file has mode 0600.
//
// The file appears complete and on disk, or not at all; one that is there
// already stays as it is until then. An error that the engine put into its
// stream, or a stream cut short, is an error here.
func Save(ctx context.Context, eng Saver, refs []string, path string) error {
	packed, err := byName(path)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	path, err = writable(path)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	archive, err := eng.SaveImages(ctx, refs)
	if err != nil {
		return err
	}
	defer archive.Close()
	file, err := hostfs.Create(path, 0o600)
	if err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	defer file.Abort()
	if err := Pack(ctx, file, archive, packed); err != nil {
		return fmt.Errorf("save images to %s: %w", path, err)
	}
	return file.Commit()
}

// Format is how an archive file is packed.
type Format = compression

// The formats that archives can be written in.
const (
	Plain = plain
	Gzip  = gzipped
	Zstd  = zstandard
)

// byName is the format that a file's name asks for.
func byName(path string) (Format, error) {
	ends := func(list ...string) bool {
		for _, end := range list {
			if strings.HasSuffix(strings.ToLower(path), end) {
				return true
			}
		}
		return false
	}
	switch {
	case ends(".gz", ".tgz"):
		return Gzip, nil
	case ends(".zst", ".tzst"):
		return Zstd, nil
	case ends(".xz", ".txz", ".bz2", ".tbz2"):
		return Plain, fmt.Errorf("%s: archives are written as .tar, .tar.gz or .tar.zst", path)
	}
	return Plain, nil
}

// writable follows a symlink at path, since it is the file behind it that is
// meant, and refuses what a rename would replace by a file.
func writable(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: not a regular file", path)
	}
	return real, nil
}

// Pack copies an archive that an engine sends to w, packed, and checks that it
// is whole. On an error what was written is of no use. It closes neither.
func Pack(ctx context.Context, w io.Writer, archive io.Reader, packed Format) error {
	zw, err := packer(w, packed)
	if err != nil {
		return err
	}
	s := newStream(ctx, io.TeeReader(archive, zw))
	for err == nil {
		_, err = s.next()
	}
	if err == io.EOF {
		err = nil
	}
	return errors.Join(err, zw.Close())
}

func packer(w io.Writer, packed Format) (io.WriteCloser, error) {
	switch packed {
	case Plain:
		return nopCloser{w}, nil
	case Gzip:
		return pgzip.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w)
	}
	return nil, fmt.Errorf("pack as %s: not supported", packed)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
