package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"davit/backup"
	"davit/engine/enginetest"
)

const (
	gcTime    = 8 * time.Second // and more, where that is not enough for
	gcRounds  = 5               // removals that were killed, and as many that ended
	gcFiles   = 400
	gcWriters = 2
)

// gcWriter backs its folder up under a job of its own.
type gcWriter struct {
	job, dir string
	random   *rand.Rand
}

// change gives some files one of two contents, with one of two times: what was forgotten and is being removed comes
// again, byte for byte.
func (w *gcWriter) change(t *testing.T) {
	t.Helper()
	for range gcFiles / 4 {
		n, version := w.random.IntN(gcFiles), w.random.IntN(2)
		size := 5000
		if n < 3 {
			size = 3 << 20
		}
		path := filepath.Join(w.dir, fmt.Sprint("f", n))
		data := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(version)}).Read(data)
		write(t, path, data)
		when := time.Unix(1_700_000_000+int64(version), 0)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Error(err)
		}
	}
	when := time.Unix(1_700_000_000, 0)
	if err := os.Chtimes(w.dir, when, when); err != nil {
		t.Error(err)
	}
}

// round backs up what has changed, forgets what was before, and reads all that is left.
func (w *gcWriter) round(t *testing.T, s *site) {
	t.Helper()
	w.change(t)
	for _, line := range [][]string{
		{"create", "--path", w.dir, "--job", w.job, "--progress", "none"},
		{"forget", "--keep-last", "1", "--job", w.job, "--yes"},
		{"verify", "latest:path/" + backup.EncodeName(w.dir), "--read-data", "--progress", "none"},
	} {
		if r := s.run(t, append([]string{"backup"}, line...)...); r.code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", line[0], r.code, r.out, r.err)
		}
	}
}

// Backups run without a pause while gc removes without a grace what forget lets go, and is killed at any moment: each
// backup succeeds, the newest of each job is whole each time, all restores are right in the end, and nothing stays that no
// snapshot needs.
func TestCreateWhileGCSweeps(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newSite(t, 2<<30)
	writers := make([]*gcWriter, gcWriters)
	seed := uint64(time.Now().UnixNano())
	ctx, over := context.WithCancel(t.Context())
	defer over()
	var wg sync.WaitGroup
	for i := range writers {
		w := &gcWriter{job: fmt.Sprint("w", i), dir: filepath.Join(s.data, fmt.Sprint(i)), random: rand.New(rand.NewPCG(uint64(i), seed))}
		if err := os.Mkdir(w.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		writers[i] = w
		wg.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				w.round(t, s)
			}
		})
	}
	killed, ended := s.remove(t)
	over()
	wg.Wait()
	t.Logf("%d removals were killed, %d ended", killed, ended)
	s.checkRemoved(t, writers)
}

// remove runs gc over and over and kills every other one.
func (s *site) remove(t *testing.T) (killed, ended int) {
	t.Helper()
	began := time.Now()
	for round := 0; (time.Since(began) < gcTime || killed < gcRounds || ended < gcRounds) && !t.Failed(); round++ {
		if time.Since(began) > 2*time.Minute {
			t.Errorf("%d removals were killed and %d ended: nothing was tested", killed, ended)
		}
		p := s.start(t, "backup", "gc", "--grace", "0s", "--yes")
		if round%2 == 0 {
			select {
			case <-p.done:
			case <-time.After(time.Duration(rand.Int64N(int64(60 * time.Millisecond)))):
			}
			if p.kill(t) {
				killed++
				continue
			}
		}
		<-p.done
		ended++
	}
	return killed, ended
}

func (s *site) checkRemoved(t *testing.T, writers []*gcWriter) {
	t.Helper()
	s.ok(t, "backup", "verify", "--read-data")
	for _, w := range writers {
		out := s.restored(t, "latest:path/"+backup.EncodeName(w.dir))
		same(t, "job "+w.job, tree(t, w.dir), tree(t, out))
	}
	var result struct{ Needed, Young, Condemned, Removed struct{ Blobs int } }
	// The first may only end a removal that was killed, and one more finds what that kept from it.
	for range 4 {
		if err := json.Unmarshal([]byte(s.ok(t, "backup", "gc", "--grace", "0s", "--yes", "--json")), &result); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(s.repo + "/blobs/sha256/*")
	if err != nil || len(files) != result.Needed.Blobs || result.Young.Blobs+result.Condemned.Blobs+result.Removed.Blobs > 0 {
		t.Errorf("%d blobs are left (%v) after %+v", len(files), err, result)
	}
	s.ok(t, "backup", "verify", "--read-data")
}
