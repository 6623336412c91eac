package e2e

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"davit/backup"
	"davit/engine/enginetest"
)

const (
	kills      = 25
	dirs       = 20
	perDir     = 100
	smallFile  = 8 << 10
	bigFiles   = 8
	bigFile    = 2 << 20
	rewritten  = 60 // small files that a round writes anew
	fullRounds = 5  // every so many kills the repository is read whole
)

// davit is killed at any moment of a backup, over and over: the repository verifies each time, the next run succeeds, and
// what was saved before restores as it was.
func TestKilledAtRandomMoments(t *testing.T) {
	enginetest.NeedRoot(t)
	t.Parallel()
	s := newSite(t, 2<<30)
	item := ":path/" + backup.EncodeName(s.data)
	for i := range dirs * perDir {
		write(t, s.small(i), noise(smallFile))
	}
	for i := range bigFiles {
		write(t, s.big(i), noise(bigFile))
	}
	type saved struct {
		id   string
		tree enginetest.Tree
	}
	var old []saved
	keep := func() {
		old = append(old, saved{s.create(t, []int{0}, "--path", s.data).Snapshot, tree(t, s.data)})
	}
	check := func(o saved) { same(t, "snapshot "+o.id, o.tree, tree(t, s.restored(t, o.id+item))) }
	keep()
	took := s.timed(t)
	t.Logf("a run takes %v", took.Round(time.Millisecond))
	killed, kills := 0, enginetest.Rounds(t, kills)
	for round := range 5 * kills {
		if killed == kills {
			break
		}
		s.change(t, round)
		after := time.Duration(rand.Int64N(int64(took * 4 / 5)))
		p, began := s.start(t, "backup", "create", "--progress", "none", "--path", s.data), time.Now()
		select {
		case <-p.done:
			if p.cmd.ProcessState.Success() { // or most kills would come too late when only the first run was slow
				took = min(took, time.Since(began))
			}
		case <-time.After(after):
		}
		inTime := p.kill(t)
		if inTime {
			killed++
		}
		if !inTime || killed%fullRounds != 0 {
			s.ok(t, "backup", "verify")
			continue
		}
		s.ok(t, "backup", "verify", "--read-data")
		keep()
		if t.Failed() {
			t.Fatalf("after %d kills, the last one %v after the start", killed, after)
		}
	}
	if killed < kills {
		t.Fatalf("davit was killed only %d times in time", killed)
	}
	for _, i := range []int{0, len(old) / 2, len(old) - 1} {
		check(old[i])
	}
	s.ok(t, "backup", "verify", "--read-data")
}

// timed returns how long a run takes after a round's changes.
func (s *site) timed(t *testing.T) time.Duration {
	t.Helper()
	s.change(t, 0)
	began := time.Now()
	s.create(t, []int{0}, "--path", s.data)
	return time.Since(began)
}

// change writes some files anew.
func (s *site) change(t *testing.T, round int) {
	t.Helper()
	for i := range rewritten {
		write(t, s.small(rand.IntN(dirs*perDir)), noise(smallFile+i))
	}
	write(t, s.big(round%bigFiles), noise(bigFile))
}

func (s *site) small(i int) string {
	return filepath.Join(s.data, fmt.Sprintf("dir%d/file%d", i/perDir, i%perDir))
}

func (s *site) big(i int) string { return filepath.Join(s.data, fmt.Sprintf("big%d", i)) }

// noise does not compress and is in no repository yet.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = crand.Read(b) // never fails
	return b
}
