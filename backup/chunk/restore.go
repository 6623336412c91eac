//go:build linux

package chunk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"davit/engine/hostfs"
)

// Restore writes a tree item below dst, which should be empty: existing names
// are never replaced, they become problems. A damaged blob ends it with a
// *repo.DamagedError, on cancel with the context's error; what was written so
// far stays. Nothing is written outside of dst, whatever the stream says.
func Restore(ctx context.Context, r Reader, item ocispec.Descriptor, dst *hostfs.Root, o RestoreOptions) (*RestoreResult, error) {
	dec, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	if o.Workers == 0 {
		o.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	re := &restorer{stream: streamReader{r, dec, selection{path: o.Path}}, dst: dst, options: o}
	if err := re.stream.selection.resolve(ctx, r, item); err != nil {
		return nil, err
	}
	if re.created, err = dst.NewFiles(); err != nil {
		return nil, err
	}
	re.flusher = newFlusher(dst.Syncfs)
	if err := errors.Join(re.content(ctx, item), re.flusher.stop()); err != nil {
		return nil, err
	}
	if err := re.links(ctx); err != nil {
		return nil, err
	}
	if err := re.folders(ctx); err != nil {
		return nil, err
	}
	return &RestoreResult{
		Entries: re.entries.Load(), Files: re.files.Load(), Bytes: re.bytes.Load(), Problems: re.problems,
	}, nil
}

// restorer is one restore. Content is written by all workers, hard links after
// it, and what belongs to folders last, deepest first: writing into a folder moves
// its times, and its mode may forbid writing.
type restorer struct {
	stream  streamReader
	dst     *hostfs.Root
	options RestoreOptions
	flusher *flusher
	created hostfs.NewFiles // what a file is like before its metadata is set

	entries, files, bytes atomic.Int64

	mu          sync.Mutex
	problems    []Problem
	hardLinks   []hardLink
	folderMetas []folderMeta
	targets     []*bigTarget
}

type hardLink struct{ target, path string }

type folderMeta struct {
	path string
	meta hostfs.Meta
}

// content writes all runs and chunks.
func (re *restorer) content(ctx context.Context, item ocispec.Descriptor) error {
	err := re.stream.share(ctx, item, re.options.Workers, func() contentWorker { return re.worker() })
	return re.closeTargets(err)
}

func (re *restorer) worker() *restoreWorker {
	return &restoreWorker{
		chunkReader: chunkReader{reader: re.stream.reader, decoder: re.stream.decoder},
		folder:      openFolder{root: re.dst},
		re:          re,
	}
}

// closeTargets closes the big files whose content did not arrive whole: after
// an error, or because the stream is damaged.
func (re *restorer) closeTargets(err error) error {
	for _, t := range re.targets {
		if t.finished.Load() {
			continue
		}
		_ = unix.Close(t.fd) // incomplete anyway
		if err == nil {
			err = fmt.Errorf("restore %q: its content ends early in the snapshot", t.path)
		}
	}
	return err
}

func (re *restorer) problem(p Problem) {
	re.mu.Lock()
	defer re.mu.Unlock()
	re.problems = append(re.problems, p)
}

// links makes the hard links; their targets are all there, or failed and are
// reported.
func (re *restorer) links(ctx context.Context) error {
	w := re.worker()
	defer w.close()
	for _, link := range re.hardLinks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.link(link); err != nil {
			re.problem(Problem{Path: link.path, Kind: Unreadable, Reason: err.Error()})
		}
	}
	return nil
}

// folders sets what belongs to the folders, deepest first.
func (re *restorer) folders(ctx context.Context) error {
	sort.Slice(re.folderMetas, func(i, j int) bool { return re.folderMetas[i].path > re.folderMetas[j].path })
	for i := range re.folderMetas {
		if err := ctx.Err(); err != nil {
			return err
		}
		f := &re.folderMetas[i]
		dir, err := re.dst.OpenDir(f.path)
		if err == nil {
			err = hostfs.SetMetaFd(dir.FD(), &f.meta)
			_ = dir.Close() // nothing was written through it
		}
		if err != nil {
			re.problem(Problem{Path: f.path, Kind: Metadata, Reason: err.Error()})
		}
	}
	return nil
}
