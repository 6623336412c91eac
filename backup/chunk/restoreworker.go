//go:build linux

package chunk

import (
	"context"
	"errors"
	"fmt"
	"path"

	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// A restoreWorker writes the entries of runs and the chunks of big files.
type restoreWorker struct {
	chunkReader
	folder openFolder
	re     *restorer
}

func (w *restoreWorker) close() { w.folder.close() }

func (w *restoreWorker) run(ctx context.Context, job contentJob) error {
	plain, err := w.read(ctx, job.run)
	if err != nil {
		return err
	}
	entries, files, bytes, err := w.re.stream.visitRun(job, plain, func(e *streamEntry, to string) (bool, error) {
		err := w.entry(e, to, job.target)
		return e.big && err == nil, w.note(to, err)
	})
	if err != nil {
		return err
	}
	w.re.count(entries, files, bytes)
	return nil
}

func (re *restorer) count(entries, files, bytes int64) {
	re.entries.Add(entries)
	re.files.Add(files)
	re.bytes.Add(bytes)
	re.flusher.wrote(bytes)
	if re.options.Progress != nil {
		re.options.Progress.Done(entries, bytes)
	}
}

// note turns what went wrong with one entry into a problem. A full disk ends
// the restore: every further entry would fail as well.
func (w *restoreWorker) note(to string, err error) error {
	var meta *hostfs.MetaError
	switch {
	case err == nil:
	case errors.As(err, &meta):
		w.re.problem(Problem{Path: to, Kind: Metadata, Reason: err.Error()})
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EROFS), errors.Is(err, unix.EIO):
		return fmt.Errorf("restore %q: %w", to, err)
	default:
		w.re.problem(Problem{Path: to, Kind: Unreadable, Reason: err.Error()})
	}
	return nil
}

func (w *restoreWorker) entry(e *streamEntry, to string, target *bigTarget) error {
	h := &e.header
	meta := &hostfs.Meta{Mode: h.mode, UID: h.uid, GID: h.gid, Mtime: h.mtime, Xattrs: h.xattrs}
	if h.kind == tarFolder {
		return w.makeFolder(to, meta)
	}
	if h.kind == tarHardlink {
		w.rememberLink(h.link, to)
		return nil
	}
	dir, err := w.open(parent(to))
	if err != nil {
		return err
	}
	name := path.Base(to)
	switch h.kind {
	case tarFile:
		return w.makeFile(dir, name, e, meta, target)
	case tarSymlink:
		err = dir.Symlink(h.link, name)
	case tarFifo:
		err = dir.Mknod(name, unix.S_IFIFO|0o600, 0)
	case tarChar:
		err = dir.Mknod(name, unix.S_IFCHR|0o600, h.rdev)
	case tarBlock:
		err = dir.Mknod(name, unix.S_IFBLK|0o600, h.rdev)
	}
	if err != nil {
		return err
	}
	return dir.SetMeta(name, meta)
}

// open returns the folder, made with its parents when a worker has not come to
// its entry yet.
func (w *restoreWorker) open(folder string) (*hostfs.Dir, error) {
	dir, err := w.folder.open(folder)
	if folder == "" || !errors.Is(err, unix.ENOENT) {
		return dir, err
	}
	if err := w.mkdir(folder); err != nil {
		return nil, err
	}
	return w.folder.open(folder)
}

// mkdir makes a folder of mode 0700. Finding it there is no error: another
// worker may have needed it first.
func (w *restoreWorker) mkdir(folder string) error {
	up, err := w.open(parent(folder))
	if err != nil {
		return err
	}
	if err := up.Mkdir(path.Base(folder)); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// makeFolder opens the folder, so that a name that exists and is no folder is
// found now; owner, mode and times come last.
func (w *restoreWorker) makeFolder(to string, meta *hostfs.Meta) error {
	if _, err := w.open(to); err != nil {
		return err
	}
	w.re.mu.Lock()
	defer w.re.mu.Unlock()
	w.re.folderMetas = append(w.re.folderMetas, folderMeta{to, *meta})
	return nil
}

// rememberLink notes a hard link for later, unless the content itself goes
// there because the file that held it is not selected.
func (w *restoreWorker) rememberLink(link, to string) {
	target, ok := w.re.stream.selection.place(link)
	if !ok || target == to {
		return
	}
	w.re.mu.Lock()
	defer w.re.mu.Unlock()
	w.re.hardLinks = append(w.re.hardLinks, hardLink{target, to})
}

func (w *restoreWorker) link(link hardLink) error {
	from, err := w.re.dst.OpenDir(parent(link.target))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := w.open(parent(link.path))
	if err != nil {
		return err
	}
	return to.Link(from, path.Base(link.target), path.Base(link.path))
}
