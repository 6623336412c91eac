package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// writebackStep is how much of a big blob is written before the kernel is asked to
// begin with writing it out.
const writebackStep = 8 << 20

// oldTemp is how long a half-written file that does not tell whose it is may be
// in use.
const oldTemp = 24 * time.Hour

// dirTemp is a file .tmp-<owner>-<n> in the folder of the blobs.
type dirTemp struct {
	dir    *dir
	folder *os.File
	owner  string
	name   string
	file   *os.File // nil once all is written
	size   int64
	hinted int64 // up to here writeback was asked for
	done   bool
}

// WriteBlob writes under the name at once: to rename each of many small files takes as long
// as to write them, for all that write wait for the one folder.
func (d *dir) WriteBlob(_ context.Context, name string, data []byte) error {
	folder, err := d.folder()
	if err != nil {
		return err
	}
	f, err := createAt(folder, name)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = settle(f, 0, int64(len(data)))
	} else {
		_ = f.Truncate(0) // frees the room; the name itself may by now be that of somebody's whole blob
	}
	return errors.Join(err, f.Close())
}

func (d *dir) Create(_ context.Context, owner string) (Temp, error) {
	folder, err := d.folder()
	if err != nil {
		return nil, err
	}
	t := &dirTemp{dir: d, folder: folder, owner: owner, name: d.tempName(owner)}
	if t.file, err = createAt(folder, t.name); err != nil {
		return nil, err
	}
	return t, nil
}

// tempName is a name that nobody else uses, as long as owners differ.
func (d *dir) tempName(owner string) string {
	return fmt.Sprintf("%s%s-%d", tempPrefix, owner, d.temps.Add(1))
}

func (t *dirTemp) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	t.size += int64(n)
	if t.size-t.hinted >= writebackStep {
		startWriteback(t.file, t.hinted, t.size-t.hinted)
		t.hinted = t.size
	}
	return n, err
}

// finish closes the file.
func (t *dirTemp) finish() error {
	if t.file == nil {
		return nil
	}
	err := errors.Join(settle(t.file, t.hinted, t.size-t.hinted), t.file.Close())
	t.file = nil
	return err
}

// Publish never puts bytes that are not yet durable in the place of a file: a
// power cut would lose the blob for those who refer to it.
func (t *dirTemp) Publish(_ context.Context, name string, replace bool) error {
	if err := t.finish(); err != nil {
		return err
	}
	err := t.rename(name, replace)
	t.done = err == nil
	return err
}

func (t *dirTemp) rename(name string, replace bool) error {
	if replace {
		if err := syncFileAt(t.folder, t.name); err != nil {
			return err
		}
		return renameOver(t.folder, t.name, name)
	}
	err := renameNew(t.folder, t.name, name)
	if cannotRenameNew(err) {
		return fmt.Errorf("%w, perhaps: %w", fs.ErrExist, err)
	}
	return err
}

func (t *dirTemp) Abort() {
	if t.done {
		return
	}
	t.done = true
	if t.file != nil {
		_ = t.file.Close() // nothing of it is wanted
	}
	_ = removeAt(t.folder, t.name) // one that stays is left to RemoveTemps
}

// Hold gives the bytes a second name; on file systems without links they are copied.
func (t *dirTemp) Hold(context.Context) (Held, error) {
	if err := t.finish(); err != nil {
		return nil, err
	}
	return t.dir.hold(t.folder, t.owner, t.name)
}

func (d *dir) hold(folder *os.File, owner, from string) (*dirHeld, error) {
	h := &dirHeld{dir: d, folder: folder, owner: owner, name: d.tempName(owner)}
	err := linkAt(folder, from, h.name)
	if err != nil && cannotLink(err) {
		err = copyAt(folder, from, h.name)
	}
	if err != nil {
		return nil, errors.Join(err, removeAt(folder, h.name))
	}
	return h, nil
}

func copyAt(folder *os.File, from, to string) error {
	in, _, err := openRegularAt(folder, from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := createAt(folder, to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// dirHeld is a second link.
type dirHeld struct {
	dir    *dir
	folder *os.File
	owner  string
	name   string
}

func (h *dirHeld) Open() (io.ReadCloser, int64, error) {
	return openRegularAt(h.folder, h.name)
}

func (h *dirHeld) PutBack(_ context.Context, name string) error {
	again, err := h.dir.hold(h.folder, h.owner, h.name)
	if err != nil {
		return err
	}
	err = syncFileAt(h.folder, again.name)
	if err == nil {
		err = renameOver(h.folder, again.name, name)
	}
	if err != nil {
		return errors.Join(err, again.Drop())
	}
	return nil
}

func (h *dirHeld) Drop() error { return removeAt(h.folder, h.name) }

// Sync makes the whole file system durable.
func (d *dir) Sync(context.Context) error {
	folder, err := d.folder()
	if err != nil {
		return err
	}
	return syncFileSystem(folder)
}

func (d *dir) RemoveBlobs(ctx context.Context, names []string, gone func(name string, size int64)) error {
	folder, err := d.folder()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		info, err := statRegular(folder, name)
		if err != nil {
			continue // an earlier call was cut here
		}
		if err := removeAt(folder, name); err != nil {
			return err
		}
		gone(name, info.Size)
	}
	return hostfs.SyncDir(d.path(BlobFolder))
}

func (d *dir) RemoveTemps(ctx context.Context, owners []string) error {
	folder, err := d.folder()
	if err != nil {
		return err
	}
	list, err := os.Open(d.path(BlobFolder)) // reading moves the position of an open folder
	if err != nil {
		return err
	}
	defer list.Close()
	for {
		names, err := list.Readdirnames(4096)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if !belongsTo(name, owners) {
				continue
			}
			if err := removeAt(folder, name); err != nil {
				return err
			}
		}
	}
}

func belongsTo(temp string, owners []string) bool {
	rest, ok := strings.CutPrefix(temp, tempPrefix)
	if !ok {
		return false
	}
	for _, id := range owners {
		if strings.HasPrefix(rest, id+"-") {
			return true
		}
	}
	return false
}

// Tidy removes what a killed process was about to rename into place.
func (d *dir) Tidy(_ context.Context, now time.Time) error {
	for _, folder := range []string{"", "davit", "davit/refs", "davit/index", "davit/sessions"} {
		entries, err := os.ReadDir(d.path(folder))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if name := entry.Name(); !strings.HasPrefix(name, tempPrefix) && !strings.HasPrefix(name, ".davit-") {
				continue
			}
			info, err := entry.Info()
			if err != nil || now.Sub(info.ModTime()) < oldTemp {
				continue // gone, or perhaps in use
			}
			if err := os.Remove(d.path(path.Join(folder, entry.Name()))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
