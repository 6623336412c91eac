package repo

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// A host whose clock is wrong, by a day and by more than removals are remembered, ahead and behind, takes nobody who
// lives for dead, no lock away, and nothing for older than it is: all that is decided by the clock of the place. Nor do others take
// it for dead.
func TestWrongClock(t *testing.T) {
	for name, place := range map[string]gamePlace{"dir": folderPlace(t), "server": serverPlace(t)} {
		t.Run(name, func(t *testing.T) { wrongClocks(t, place) })
	}
}

func wrongClocks(t *testing.T, place gamePlace) {
	t.Helper()
	for _, wrong := range []time.Duration{25 * time.Hour, -25 * time.Hour, 40 * 24 * time.Hour, -40 * 24 * time.Hour} {
		off, err := InitIn(t.Context(), place.fresh(t), Options{Host: "off", Now: func() time.Time { return time.Now().Add(wrong) }})
		if err != nil {
			t.Fatal(err)
		}
		right, err := OpenIn(t.Context(), place.again(t), Options{Host: "right"})
		if err != nil {
			t.Fatal(err)
		}
		noneIsDead(t, off, right)
		noneIsDead(t, right, off)
		lockStays(t, right, off)
		lockStays(t, off, right)
		removesByTheServersClock(t, off, right)
		removesByTheServersClock(t, right, off)
		if err := errors.Join(off.Close(), right.Close()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Fatalf("with a clock that is wrong by %v", wrong)
		}
	}
}

// noneIsDead has one write and the other look.
func noneIsDead(t *testing.T, writes, looks *Repository) {
	t.Helper()
	s := begin(t, writes)
	defer s.Close()
	list, err := looks.Sessions()
	if err != nil || len(list) != 1 || list[0].Dead {
		t.Errorf("sessions that %s sees: %+v, %v", looks.opt.Host, list, err)
	}
	if removed, kept, err := looks.Unlock(t.Context(), false); err != nil || len(removed) > 0 || len(kept) != 1 {
		t.Errorf("unlock by %s removed %+v and kept %+v, %v", looks.opt.Host, removed, kept, err)
	}
	begin(t, looks).Close() // which removes the dead
	commitTree(t, s, "v", 7)
}

func lockStays(t *testing.T, has, wants *Repository) {
	t.Helper()
	lock, err := has.tryGCLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	_, err = wants.tryGCLock(t.Context())
	if locked := (*LockedError)(nil); !errors.As(err, &locked) {
		t.Errorf("%s takes the lock that %s has: %v", wants.opt.Host, has.opt.Host, err)
	}
}

// removesByTheServersClock has one lose a snapshot: its blobs are young, then condemned while the other writes, then waiting, then
// gone, and all of that is remembered.
func removesByTheServersClock(t *testing.T, loses, other *Repository) {
	t.Helper()
	s := begin(t, loses)
	lost := commitTree(t, s, "v", 100+uint64(len(loses.opt.Host)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	forget(t, loses, lost.ID)
	for _, by := range []*Repository{loses, other} {
		if got := collect(t, by, DefaultGrace); got.Condemned.Blobs+got.Removed.Blobs > 0 || got.Young.Blobs == 0 {
			t.Errorf("young blobs: %+v", got)
		}
	}
	s = begin(t, other)
	if got := collect(t, loses, 0); got.Condemned.Blobs == 0 || got.Removed.Blobs > 0 || len(got.Waiting) != 1 || len(got.Waiting[0].Sessions) != 1 {
		t.Errorf("removed while %s writes: %+v", other.opt.Host, got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, by := range []*Repository{loses, other} {
		if got := collect(t, by, DefaultGrace); got.Removed.Blobs > 0 || len(got.Waiting) != 1 {
			t.Errorf("removed before the grace is over, by %s: %+v", by.opt.Host, got)
		}
	}
	if got := collect(t, other, 0); got.Removed.Blobs == 0 {
		t.Errorf("removed: %+v", got)
	}
	runs, err := other.gcRuns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []*Repository{loses, other} { // which cleans up, too
		collect(t, by, DefaultGrace)
		stones, _, err := by.tombstones(t.Context())
		if err != nil || !slices.ContainsFunc(stones, func(f tombstone) bool { return f.ID == lost.ID }) {
			t.Errorf("what was forgotten is not remembered: %+v, %v", stones, err)
		}
		if now, err := by.gcRuns(t.Context()); err != nil || len(now) != len(runs) {
			t.Errorf("of %d removals are remembered %+v, %v", len(runs), now, err)
		}
	}
}

// How old a session is tells a clock that goes on while the machine sleeps: after a month of sleep it knows nothing of
// removals that came and went.
func TestSessionAgesInSleep(t *testing.T) {
	r := initAt(t, t.TempDir()+"/repo", Options{Host: "nas"})
	if s := begin(t, r); strings.Contains(s.began.String(), "m=") {
		t.Errorf("the session began at %s, by a clock that stands still in sleep", s.began)
	}
}
