package repo

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

// far is a server that answers a second later, on the clock of a bubble.
type far struct{ storage.Objects }

func (f far) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, sum string) error {
	time.Sleep(time.Second)
	return f.Objects.Put(ctx, name, body, size, sum)
}

func (f far) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	time.Sleep(time.Second)
	return f.Objects.Get(ctx, name)
}

func (f far) Stat(ctx context.Context, name string) (storage.Info, error) {
	time.Sleep(time.Second)
	return f.Objects.Stat(ctx, name)
}

func (f far) List(ctx context.Context, folder string, visit func(string, storage.Info) error) error {
	time.Sleep(time.Second)
	return f.Objects.List(ctx, folder, visit)
}

func (f far) Remove(ctx context.Context, name string) error {
	time.Sleep(time.Second)
	return f.Objects.Remove(ctx, name)
}

// What waits for a far server waits for few answers one after another, and for many blobs no longer than for a few.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := storagetest.NewMemory()
		cache := t.TempDir()
		connect := func(on storage.Objects) storage.Storage {
			store, err := storage.NewRemote(on, storage.Options{Cache: cache})
			if err != nil {
				t.Fatal(err)
			}
			return store
		}
		r, err := InitIn(t.Context(), connect(on), Options{Host: "nas"})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		within := func(most int, what string, do func(r *Repository) error) {
			t.Helper()
			began := time.Now()
			r, err := OpenIn(t.Context(), connect(far{on}), Options{Host: "nas"})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := do(r); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if took := int(time.Since(began) / time.Second); took > most {
				t.Errorf("%s waits for %d answers one after another, at most %d", what, took, most)
			}
		}
		var snap Snapshot
		save := func(chunks int) func(r *Repository) error {
			return func(r *Repository) error {
				s := begin(t, r)
				all := make([]chunk, chunks)
				for i := range all {
					all[i] = makeChunk(uint64(i), 1000)
				}
				item, err := putTree(t.Context(), s, fmt.Sprint(chunks), all...)
				if err == nil {
					snap, err = s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
				}
				if err != nil {
					return err
				}
				return s.Close()
			}
		}
		within(12, "a first backup", save(2))
		within(12, "a second one", save(2))
		within(24, "one of 200 blobs", save(200)) // sixteen at once
		within(13, "a forget", func(r *Repository) error {
			_, err := r.Forget(t.Context(), func([]Snapshot) ([]string, error) { return []string{snap.ID}, nil })
			return err
		})
		within(28, "an undelete of 200 blobs", func(r *Repository) error {
			_, err := r.Undelete(t.Context(), []string{snap.ID})
			return err
		})
	})
}
