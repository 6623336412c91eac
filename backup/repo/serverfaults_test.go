//go:build integration

package repo

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"davit/backup/repo/storage/storagetest"
)

// plantOn makes a repository with two snapshots on a server, one of them forgotten and condemned.
func plantOn(t *testing.T, at storagetest.Server) {
	t.Helper()
	r, err := InitIn(t.Context(), at.Connect(t), Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	plant(t, r)
}

// Between the client and a real S3 server something happens to every fourth request: a backup, a forget and a
// removal succeed nevertheless, since all is tried again, and all is whole.
func TestFlakyServer(t *testing.T) {
	for _, what := range storagetest.Mishaps() {
		t.Run(string(what), func(t *testing.T) {
			t.Parallel()
			at := storagetest.S3(t)
			plantOn(t, at)
			flaky, hits := at.Flaky(t, what, 4)
			for work, do := range faultWork() {
				r, err := OpenIn(t.Context(), flaky.Connect(t), Options{Host: "nas"})
				if err != nil {
					t.Fatalf("%s: open: %v", work, err)
				}
				if err := errors.Join(do(t.Context(), r), r.Close()); err != nil {
					t.Errorf("%s: %v", work, err)
				}
			}
			if hits.Load() < 5 {
				t.Errorf("only %d requests were disturbed", hits.Load())
			}
			wholeAfterFault(t, openOn(t, at, "nas"), string(what))
		})
	}
}

// A server is killed in the middle of a backup. One that comes back soon is waited for; one that does not ends the
// run with an error. Either way what was there before is whole, and the next run succeeds.
func TestServerIsKilled(t *testing.T) {
	for name, start := range map[string]func(testing.TB) storagetest.Server{
		"s3":   func(t testing.TB) storagetest.Server { return storagetest.S3(t) },
		"sftp": func(t testing.TB) storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := start(t)
			plantOn(t, at)
			for round := range 4 {
				seed := uint64(1000 * (round + 1))
				saved := make(chan error, 1)
				r := openOn(t, at, "nas")
				go func() { saved <- saveMany(t, r, seed) }()
				time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // any moment will do
				at.Kill()
				at.Restart(t)
				if err := <-saved; err != nil {
					t.Errorf("round %d: a server that came back soon: %v", round, err)
				}
				wholeAfterFault(t, openOn(t, at, "nas"), "after a restart")
			}
			r := openOn(t, at, "nas")
			saved, before := make(chan error, 1), filesOn(t, at)
			go func() { saved <- saveMany(t, r, 50_000) }()
			waitFor(t, "it writes", func() bool { return filesOn(t, at) > before })
			at.Kill()
			if err := <-saved; err == nil {
				t.Error("a backup to a server that is gone succeeded")
			}
			at.Restart(t)
			again := openOn(t, at, "nas")
			wholeAfterFault(t, again, "after a server that was gone")
			if err := saveMany(t, again, 50_000); err != nil {
				t.Errorf("next run: %v", err)
			}
			wholeAfterFault(t, again, "after the next run")
		})
	}
}

// saveMany makes a snapshot of enough chunks to be killed in.
func saveMany(t *testing.T, r *Repository, seed uint64) (err error) {
	s, err := r.Begin(t.Context(), SessionInfo{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var chunks []chunk
	for n := range uint64(300) {
		chunks = append(chunks, makeChunk(seed+n, 20_000))
	}
	item, err := putTree(t.Context(), s, "v", chunks...)
	if err != nil {
		return err
	}
	_, err = s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
	return err
}
