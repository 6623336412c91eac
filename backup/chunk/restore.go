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
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// RestoreOptions say what is restored of a tree.
type RestoreOptions struct {
	// Path restores this entry and what is below it, under its own name; ""
	// restores the whole tree, the root's owner, mode and times included.
	Path string
	// Workers decode and write; 0 means twice the processors.
	Workers int
	// Progress may be nil.
	Progress Progress
}

// RestoreResult counts what was written. Problems are entries that could not
// be made as they were; the rest of the tree is there.
type RestoreResult struct {
	Entries, Files, Bytes int64
	Problems              []Problem
}

// Metadata marks an entry that is there without some of its owner, mode, times
// or attributes.
const Metadata ProblemKind = "metadata"

// NotFoundError says that a tree holds no such path.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("no entry %q in the snapshot", e.Path) }

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
	re := &restorer{reader: r, decoder: dec, dst: dst, options: o, selection: selection{path: o.Path}}
	if err := re.selection.resolve(ctx, r, item); err != nil {
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
	reader    Reader
	decoder   *Decoder
	dst       *hostfs.Root
	options   RestoreOptions
	selection selection
	flusher   *flusher
	created   hostfs.NewFiles // what a file is like before its metadata is set

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

// A restoreJob is a run with the content of its big file, or some chunks of a
// big file whose run is in an earlier job.
type restoreJob struct {
	run    repo.Blob
	isRun  bool
	chunk  repo.Blob
	target *bigTarget
	at     int64 // of chunk in the stored content
}

// jobsAhead bounds the jobs that wait for a worker.
const jobsAhead = 64

func (re *restorer) content(ctx context.Context, item ocispec.Descriptor) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan restoreJob, jobsAhead)
	group.Go(func() error {
		defer close(jobs)
		return re.plan(ctx, item, jobs)
	})
	for range re.options.Workers {
		group.Go(func() error {
			w := re.worker()
			defer w.close()
			for job := range jobs {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.do(ctx, job); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return re.closeTargets(group.Wait())
}

func (re *restorer) worker() *restoreWorker {
	return &restoreWorker{chunkReader: chunkReader{reader: re.reader, decoder: re.decoder}, re: re}
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

// plan turns the catalogs into jobs, in stream order: a big file's chunks come
// after the run that has its header, so a worker may wait for that run.
func (re *restorer) plan(ctx context.Context, item ocispec.Descriptor, jobs chan<- restoreJob) error {
	var target *bigTarget
	var at int64
	send := func(job restoreJob) error {
		select {
		case jobs <- job:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return repo.WalkParts(ctx, re.reader, item, func(desc ocispec.Descriptor) error {
		part, err := readPart(ctx, re.reader, desc)
		if err != nil {
			return err
		}
		return part.groups(ctx, re.reader, re.decoder, func(g *group) error {
			if !g.continued && !g.end {
				target, at = nil, 0
				some, big, err := re.selection.wants(g)
				if err != nil || !some {
					return err
				}
				if big {
					target = newBigTarget()
				}
				if g.layer < 0 {
					return nil // sockets only
				}
				if err := send(restoreJob{run: part.Layers[g.layer], isRun: true, target: target}); err != nil {
					return &visitError{err}
				}
			}
			if target == nil || g.end {
				return nil
			}
			for _, blob := range part.content(g) {
				if err := send(restoreJob{chunk: blob, target: target, at: at}); err != nil {
					return &visitError{err}
				}
				at += blob.Len
			}
			return nil
		})
	})
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
