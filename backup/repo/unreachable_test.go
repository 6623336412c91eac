package repo

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

var errUnreachable = errors.New("no route to host")

// halfBlind is a server that lastingly answers nothing about some files.
type halfBlind struct {
	*storagetest.Memory
	folder string // "": it answers
}

func (h *halfBlind) fails(name string) bool {
	return h.folder != "" && strings.HasPrefix(name, h.folder)
}

func (h *halfBlind) Stat(ctx context.Context, name string) (storage.Info, error) {
	if h.fails(name) {
		return storage.Info{}, errUnreachable
	}
	return h.Memory.Stat(ctx, name)
}

func (h *halfBlind) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if h.fails(name) {
		return nil, 0, errUnreachable
	}
	return h.Memory.Get(ctx, name)
}

func openBlind(t *testing.T, on *halfBlind) (*Repository, error) {
	t.Helper()
	store, err := storage.NewRemote(on, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return OpenIn(t.Context(), store, Options{Host: "nas"})
}

// blindWithForgotten has a snapshot, and two that were forgotten two months ago.
func blindWithForgotten(t *testing.T) *halfBlind {
	t.Helper()
	now := time.Now()
	on := &halfBlind{Memory: storagetest.NewMemory()}
	on.Clock = func() time.Time { return now.AddDate(0, -2, 0) }
	store, err := storage.NewRemote(on, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := InitIn(t.Context(), store, Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, r)
	commitSealable(t, s, 1)
	forget(t, r, commitSealable(t, s, 20).ID)
	forget(t, r, commitSealable(t, s, 40).ID)
	if err := errors.Join(s.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	on.Clock = nil
	return on
}

// A server that cannot be asked about a blob does not make it lost: no tombstone goes whose snapshot
// could be brought back, nothing is told as forgotten for ever, the index keeps its records.
func TestUnreachableIsNotGone(t *testing.T) {
	on := blindWithForgotten(t)
	r, err := openBlind(t, on)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	on.folder = blobDir
	if err := r.dropOldTombstones(t.Context(), time.Now()); !errors.Is(err, errUnreachable) {
		t.Errorf("drop old tombstones: %v", err)
	}
	if _, err := r.Forgotten(); !errors.Is(err, errUnreachable) {
		t.Errorf("forgotten: %v", err)
	}
	if _, ok, err := r.HasFile(t.Context(), Digest{1}); ok || !errors.Is(err, errUnreachable) {
		t.Errorf("has file: %v, %v", ok, err)
	}
	on.folder = ""
	list, err := r.Forgotten()
	if err != nil || len(list) != 2 {
		t.Fatalf("%d snapshots can be brought back, %v", len(list), err)
	}
	if _, err := r.Undelete(t.Context(), []string{list[0].ID, list[1].ID}); err != nil {
		t.Error(err)
	}
}

// An index file that cannot be fetched is not damaged: who opens the repository is told that the server does not
// answer, and none goes when the index is made anew.
func TestUnreachableIndex(t *testing.T) {
	on := blindWithForgotten(t)
	on.folder = indexDir
	if r, err := openBlind(t, on); !errors.Is(err, errUnreachable) {
		t.Errorf("open: %v", err)
		if err == nil {
			r.Close()
		}
	}
	on.folder = ""
	r, err := openBlind(t, on)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before := r.index.Count()
	on.folder = indexDir
	if _, err := r.RebuildIndex(storage.Fresh(t.Context())); !errors.Is(err, errUnreachable) {
		t.Errorf("rebuild: %v", err)
	}
	on.folder = ""
	if err := r.index.Refresh(t.Context()); err != nil || r.index.Count() != before || len(r.IndexProblems()) > 0 {
		t.Errorf("%d index files of %d, %v, %v", r.index.Count(), before, r.IndexProblems(), err)
	}
}
