//go:build linux

package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
)

const (
	// maxRestoreWorkers bounds what waits for blobs at a time.
	maxRestoreWorkers = 32
	// maxProblems bounds those of one restore that are told one by one.
	maxProblems = 20000
)

func (s *server) restore(ctx context.Context, u *unpacker, p *packer) error {
	t, err := find(s, s.trees, u.number())
	path, desc := u.text(), u.bytes()
	if err == nil {
		err = u.err()
	}
	if err != nil {
		return err
	}
	var item ocispec.Descriptor
	if err := json.Unmarshal(desc, &item); err != nil {
		return fmt.Errorf("read descriptor: %w", err)
	}
	progress := &farProgress{peer: s.peer, stop: make(chan struct{}), ended: make(chan struct{})}
	go progress.run()
	result, err := chunk.Restore(ctx, farReader{s.peer}, item, t.root, chunk.RestoreOptions{
		Path: path, Workers: min(max(8, 2*runtime.GOMAXPROCS(0)), maxRestoreWorkers), Progress: progress,
	})
	close(progress.stop)
	<-progress.ended
	if err != nil {
		return err
	}
	p.number(result.Entries)
	p.number(result.Files)
	p.number(result.Bytes)
	problems := result.Problems
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], chunk.Problem{
			Kind: chunk.Unreadable, Reason: fmt.Sprintf("and %d problems more", more),
		})
	}
	p.number(int64(len(problems)))
	for _, problem := range problems {
		p.text(problem.Path)
		p.text(string(problem.Kind))
		p.text(problem.Reason)
	}
	return t.root.Syncfs()
}

// farReader reads blobs of the client's repository; they come decrypted.
type farReader struct{ peer *peer }

func (r farReader) ReadBlob(ctx context.Context, d repo.Digest, _ int64, _ []byte) ([]byte, error) {
	p := &packer{}
	p.text(d.String())
	return r.peer.call(ctx, opBlob, p.b)
}

func (farReader) Encrypted() bool                         { return false }
func (farReader) Unseal(_, stored []byte) ([]byte, error) { return stored, nil }

// ContentID is not asked for where nothing is encrypted.
func (farReader) ContentID([]byte) repo.ID { return repo.ID{} }

// farProgress tells the client now and then how far a restore is.
type farProgress struct {
	peer           *peer
	entries, bytes atomic.Int64
	stop, ended    chan struct{}
}

func (p *farProgress) Found(int64, int64) {}

func (p *farProgress) Done(entries, bytes int64) {
	p.entries.Add(entries)
	p.bytes.Add(bytes)
}

func (p *farProgress) run() {
	defer close(p.ended)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for stopped := false; !stopped; {
		select {
		case <-tick.C:
		case <-p.stop:
			stopped = true
		}
		q := &packer{}
		q.number(p.entries.Swap(0))
		q.number(p.bytes.Swap(0))
		_, _ = p.peer.call(p.peer.ctx, opProgress, q.b) // only for the eye
	}
}
