package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"davit/engine/hostfs"
)

const (
	dirPerm  = 0o700
	filePerm = 0o600
)

// tempPrefix begins the names of half-written blobs: .tmp-<owner>-<n>.
const tempPrefix = ".tmp-"

// dir is a folder of this machine.
type dir struct {
	root  string
	temps atomic.Int64

	mu    sync.Mutex
	blobs *os.File // the folder of the blobs, once it was needed
}

// OpenDir returns the storage in a folder, which need not be there yet.
func OpenDir(root string) Storage { return &dir{root: root} }

func (d *dir) Place() string { return d.root }
func (d *dir) Local() bool   { return true }

// Identify has nothing to do: a folder needs no cache.
func (d *dir) Identify(string) error { return nil }

func (d *dir) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

// folder is the open folder of the blobs.
func (d *dir) folder() (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blobs != nil {
		return d.blobs, nil
	}
	f, err := os.Open(d.path(BlobFolder))
	if err == nil {
		d.blobs = f
	}
	return f, err
}

func (d *dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blobs == nil {
		return nil
	}
	err := d.blobs.Close()
	d.blobs = nil
	return err
}

// Prepare makes the folders in a folder that is absent or empty.
func (d *dir) Prepare(ctx context.Context, folders []string) (done func(context.Context) error, err error) {
	return func(context.Context) error { return nil }, d.prepare(ctx, folders)
}

func (d *dir) prepare(ctx context.Context, folders []string) error {
	if err := os.MkdirAll(d.root, dirPerm); err != nil {
		return err
	}
	empty, err := d.Empty(ctx)
	if err != nil {
		return err
	}
	if !empty {
		return ErrNotEmpty
	}
	if err := os.Chmod(d.root, dirPerm); err != nil {
		return err
	}
	for i, folder := range folders {
		mkdir := os.MkdirAll
		if i == 0 {
			mkdir = os.Mkdir // fails when somebody else got here first; of two, one goes on
		}
		if err := mkdir(d.path(folder), dirPerm); err != nil {
			return err
		}
	}
	return hostfs.SyncDir(filepath.Dir(d.root))
}

// Empty lets lost+found pass, which every new ext file system has.
func (d *dir) Empty(context.Context) (bool, error) {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if isNotDir(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if entry.Name() != "lost+found" {
			return false, nil
		}
	}
	return true, nil
}

// Get neither follows a symlink nor waits for a fifo.
func (d *dir) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, size, err := openRegularAt(nil, d.path(name))
	if err != nil {
		return nil, absent(err)
	}
	defer f.Close()
	if size > limit {
		return nil, tooLong(name, size)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// absent makes ENOTDIR, of a name below a file, what an absent name is.
func absent(err error) error {
	if isNotDir(err) {
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	}
	return err
}

func tooLong(name string, size int64) error {
	return fmt.Errorf("read %s: %d bytes is too long", name, size)
}

func (d *dir) GetListed(ctx context.Context, e Entry, limit int64) ([]byte, error) {
	return d.Get(ctx, e.Name(), limit)
}

func (d *dir) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	return d.open(name)
}

func (d *dir) OpenAt(_ context.Context, name string, _ bool) (*os.File, int64, error) {
	return d.open(name)
}

func (d *dir) open(name string) (*os.File, int64, error) {
	folder, base := path.Split(name)
	if folder != BlobFolder+"/" {
		return openRegularAt(nil, d.path(name))
	}
	blobs, err := d.folder()
	if err != nil {
		return nil, 0, err
	}
	return openRegularAt(blobs, base)
}

func (d *dir) Stat(_ context.Context, name string) (Info, error) {
	folder, base := path.Split(name)
	if folder != BlobFolder+"/" {
		return statRegular(nil, d.path(name))
	}
	blobs, err := d.folder()
	if err != nil {
		return Info{}, err
	}
	return statRegular(blobs, base)
}

// List reads big folders in pieces and looks at no file itself.
func (d *dir) List(ctx context.Context, folder string, visit func(Entry) error) error {
	f, err := os.Open(d.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(4096)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for _, entry := range entries {
			name := path.Join(folder, entry.Name())
			switch {
			case isTemp(entry.Name()):
				continue
			case entry.IsDir():
				err = d.List(ctx, name, visit)
			default:
				err = visit(dirEntry{dir: d, name: name})
			}
			if err != nil {
				return err
			}
		}
	}
}

// isTemp knows this package's temporary files and those of hostfs.
func isTemp(name string) bool { return strings.HasPrefix(name, ".") }

type dirEntry struct {
	dir  *dir
	name string
}

func (e dirEntry) Name() string        { return e.name }
func (e dirEntry) Info() (Info, error) { return e.dir.Stat(context.Background(), e.name) }

func (d *dir) Put(ctx context.Context, name string, data []byte) error {
	return d.PutFrom(ctx, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (d *dir) PutFrom(_ context.Context, name string, write func(io.Writer) error) error {
	f, err := hostfs.Create(d.path(name), filePerm)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolder(path.Dir(name)); err == nil {
			f, err = hostfs.Create(d.path(name), filePerm)
		}
	}
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := write(f); err != nil {
		return err
	}
	return f.Commit()
}

// makeFolder makes a folder that a repository gets later. The repository's own is not made.
func (d *dir) makeFolder(folder string) error {
	if folder == "." {
		return fs.ErrNotExist
	}
	err := os.Mkdir(d.path(folder), dirPerm)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeFolder(path.Dir(folder)); err == nil {
			err = os.Mkdir(d.path(folder), dirPerm)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return hostfs.SyncDir(filepath.Dir(d.path(folder)))
}

func (d *dir) Remove(_ context.Context, name string) error {
	if err := os.Remove(d.path(name)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return hostfs.SyncDir(filepath.Dir(d.path(name)))
}

func (d *dir) RemoveAll(_ context.Context, folder string) error {
	if err := os.RemoveAll(d.path(folder)); err != nil {
		return err
	}
	return hostfs.SyncDir(filepath.Dir(d.path(folder)))
}

// Now is the clock of the file system: another machine's, perhaps.
func (d *dir) Now(context.Context) (now time.Time, err error) {
	f, err := os.CreateTemp(d.path("davit"), ".davit-time-")
	if err != nil {
		return time.Time{}, err
	}
	err = touchNow(f)
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			now = info.ModTime()
		}
	}
	return now, errors.Join(err, f.Close(), os.Remove(f.Name()))
}
