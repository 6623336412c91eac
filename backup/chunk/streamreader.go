//go:build linux

package chunk

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"davit/backup/repo"
)

// A streamReader hands out the stream of a tree,
// or of what is selected of it, as jobs that several workers share.
type streamReader struct {
	reader    Reader
	decoder   *Decoder
	selection selection
}

// A contentJob is a run with the header of its big file, or a chunk of a big file whose run is in an earlier job.
type contentJob struct {
	run    repo.Blob
	isRun  bool
	chunk  repo.Blob
	target *bigTarget
	at     int64 // of chunk in the stored content
}

// jobsAhead bounds the jobs that wait for a worker.
const jobsAhead = 64

// A contentWorker does one job after the other.
type contentWorker interface {
	run(ctx context.Context, job contentJob) error
	chunk(ctx context.Context, job contentJob) error
	close()
}

// share hands all jobs to workers, each made by worker, and ends with the first error.
func (s *streamReader) share(ctx context.Context, item ocispec.Descriptor, workers int, worker func() contentWorker) error {
	group, ctx := errgroup.WithContext(ctx)
	jobs := make(chan contentJob, jobsAhead)
	group.Go(func() error {
		defer close(jobs)
		return s.plan(ctx, item, jobs)
	})
	for range workers {
		group.Go(func() error { return work(ctx, worker(), jobs) })
	}
	return group.Wait()
}

func work(ctx context.Context, w contentWorker, jobs <-chan contentJob) error {
	defer w.close()
	for job := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		do := w.chunk
		if job.isRun {
			do = w.run
		}
		if err := do(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

// plan turns the catalogs into jobs, in stream order: a big file's chunks come
// after the run that has its header, so a worker may wait for that run.
func (s *streamReader) plan(ctx context.Context, item ocispec.Descriptor, jobs chan<- contentJob) error {
	var target *bigTarget
	var at int64
	send := func(job contentJob) error {
		select {
		case jobs <- job:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return repo.WalkParts(ctx, s.reader, item, func(desc ocispec.Descriptor) error {
		part, err := readPart(ctx, s.reader, desc)
		if err != nil {
			return err
		}
		return part.groups(ctx, s.reader, s.decoder, func(g *group) error {
			if !g.continued && !g.end {
				target, at = nil, 0
				some, big, err := s.selection.wants(g)
				if err != nil || !some {
					return err
				}
				if big {
					target = newBigTarget()
				}
				if g.layer < 0 {
					return nil // sockets only
				}
				if err := send(contentJob{run: part.Layers[g.layer], isRun: true, target: target}); err != nil {
					return &visitError{err}
				}
			}
			if target == nil || g.end {
				return nil
			}
			for _, blob := range part.content(g) {
				if err := send(contentJob{chunk: blob, target: target, at: at}); err != nil {
					return &visitError{err}
				}
				at += blob.Len
			}
			return nil
		})
	})
}

// visitRun calls visit for each selected entry of a run, in order, and returns how much that was. visit tells whether it
// opened the job's target for the chunks that follow; else they are dropped.
func (s *streamReader) visitRun(job contentJob, plain []byte, visit func(e *streamEntry, to string) (opened bool, err error)) (entries, files, bytes int64, err error) {
	opened := false
	if job.target != nil {
		defer func() {
			if !opened {
				job.target.abandon()
			}
		}()
	}
	reader := &entryReader{data: plain}
	var e streamEntry
	for reader.more() {
		if err := reader.next(&e); err != nil {
			return 0, 0, 0, &repo.DamagedError{Digest: job.run.Digest, Reason: err.Error()}
		}
		to, ok := s.selection.place(e.header.path)
		if !ok {
			continue
		}
		if e.big && job.target == nil {
			return 0, 0, 0, &repo.DamagedError{Digest: job.run.Digest, Reason: "a file's content is missing after its header"}
		}
		entries++
		if e.header.kind == tarFile {
			files, bytes = files+1, bytes+int64(len(e.content))
		}
		ok, err := visit(&e, to)
		opened = opened || ok
		if err != nil {
			return 0, 0, 0, err
		}
	}
	return entries, files, bytes, nil
}
