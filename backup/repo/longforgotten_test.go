package repo

import (
	"slices"
	"testing"
	"time"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"

	"filippo.io/age"
)

// A month after the data of forgotten snapshots went their tombstones go, and that they were forgotten stays known,
// signed where refs are. A list that somebody changed is told by CheckFiles, and is not believed.
func TestLongForgotten(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		now := time.Now()
		on := storagetest.NewMemory()
		keys := newGroundKeys(t, encrypted)
		open := func() *Repository {
			store, err := storage.NewRemote(on, storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := OpenIn(t.Context(), store, keys.options())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		}
		on.Clock = func() time.Time { return now.AddDate(0, -3, 0) }
		store, err := storage.NewRemote(on, storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		keys.init(t, store) // one snapshot is there, one is forgotten and condemned
		r := open()
		s := begin(t, r)
		last := commitSealable(t, s, 90)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		forget(t, r, last.ID)
		gc := func() {
			if _, err := r.GC(t.Context(), GCOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		gc()
		gc()
		stones, _, err := r.tombstones(t.Context())
		if err != nil || len(stones) != 2 {
			t.Fatalf("%d tombstones, %v", len(stones), err)
		}
		gone := stones[slices.IndexFunc(stones, func(t tombstone) bool { return t.ID != last.ID })]
		on.Clock = nil
		gc()
		if stones, _, _ := r.tombstones(t.Context()); len(stones) != 1 || stones[0].ID != last.ID {
			t.Errorf("encrypted %v: tombstones after three months: %v", encrypted, stones)
		}
		list, err := open().EverForgotten()
		at := slices.IndexFunc(list, func(f Forgotten) bool { return f.ID == gone.ID })
		if err != nil || len(list) != 2 || at < 0 || !list[at].Long || !list[at].Time.Equal(gone.Ref.Time) || list[at].Host != "nas" {
			t.Errorf("encrypted %v: forgotten %+v, %v", encrypted, list, err)
		}
		if problems, err := r.CheckFiles(t.Context()); err != nil || len(problems) > 0 {
			t.Errorf("encrypted %v: %v, %v", encrypted, problems, err)
		}
		on.Edit(forgottenFile, func(data []byte) []byte { data[len(data)/3] ^= 1; return data })
		if problems, err := r.CheckFiles(t.Context()); err != nil || len(problems) != 1 || problems[0].File != forgottenFile {
			t.Errorf("encrypted %v: of a changed list: %v, %v", encrypted, problems, err)
		}
		if list, err := open().EverForgotten(); err != nil || len(list) != 1 {
			t.Errorf("encrypted %v: of a changed list: %v, %v", encrypted, list, err)
		}
	}
}

// Nobody without the key of a host puts something on the list of an encrypted repository.
func TestForgedForgotten(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	on := storagetest.NewMemory()
	keys := groundKeys{folder: t.TempDir(), identity: identity}
	store, err := storage.NewRemote(on, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys.init(t, store)
	forged, err := encodeChecked(longForgotten{Version: refVersion, Snapshots: []forgottenSnapshot{{ID: "0123456789abcdef", Host: "nas", Time: time.Now().UTC()}}})
	if err != nil {
		t.Fatal(err)
	}
	if store, err = storage.NewRemote(on, storage.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), forgottenFile, forged); err != nil {
		t.Fatal(err)
	}
	r, err := OpenIn(t.Context(), store, keys.options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list, err := r.EverForgotten()
	if err != nil || slices.ContainsFunc(list, func(f Forgotten) bool { return f.Long }) {
		t.Errorf("a forged list is believed: %v, %v", list, err)
	}
}
