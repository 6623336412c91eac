package repo

import (
	"errors"
	"sync"
	"testing"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

// Of several that make a repository at one place of a server at once, at most one says that he did, and it is his;
// the others change nothing. When all withdrew the place is as empty as before.
func TestInitAtOnce(t *testing.T) {
	made := 0
	for range 50 {
		on := storagetest.NewMemory()
		repos, errs := make([]*Repository, 3), make([]error, 3)
		var wg sync.WaitGroup
		for i := range repos {
			store, err := storage.NewRemote(on, storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { repos[i], errs[i] = InitIn(t.Context(), store, Options{Host: "nas"}) })
		}
		wg.Wait()
		var won *Repository
		for i, r := range repos {
			switch {
			case errs[i] == nil && won != nil:
				t.Fatal("two made a repository")
			case errs[i] == nil:
				won = r
			case !errors.Is(errs[i], storage.ErrBusy) && !errors.Is(errs[i], ErrNotEmpty):
				t.Fatal(errs[i])
			}
		}
		store, err := storage.NewRemote(on, storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if won == nil {
			if empty, err := store.Empty(t.Context()); err != nil || !empty {
				t.Fatalf("nobody made a repository, and there is something: %v", err)
			}
			store.Close()
			continue
		}
		made++
		r, err := OpenIn(t.Context(), store, Options{Host: "nas"})
		if err != nil || r.Config().ID != won.Config().ID {
			t.Fatalf("the repository is another's: %v", err)
		}
		r.Close()
		won.Close()
	}
	if made == 0 {
		t.Error("nobody ever made one")
	}
}
