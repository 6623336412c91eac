package repo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// lose makes a snapshot whose blobs are as old as said, and forgets it.
func lose(t *testing.T, r *Repository, seed uint64, age time.Duration) Snapshot {
	t.Helper()
	s := begin(t, r)
	snap := commitTree(t, s, "v", seed)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range fileNames(t, r.path(blobDir)) {
		makeOld(t, r.path(blobDir, name), age)
	}
	forget(t, r, snap.ID)
	return snap
}

func forget(t *testing.T, r *Repository, ids ...string) {
	t.Helper()
	gone, err := r.Forget(t.Context(), func([]Snapshot) ([]string, error) { return ids, nil })
	if err != nil || len(gone) != len(ids) {
		t.Fatal(gone, err)
	}
}

func makeOld(t *testing.T, path string, age time.Duration) {
	t.Helper()
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func collect(t *testing.T, r *Repository, grace time.Duration) GCResult {
	t.Helper()
	result, err := r.GC(t.Context(), GCOptions{Grace: grace})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func realRepo(t *testing.T) *Repository {
	t.Helper()
	return initAt(t, filepath.Join(t.TempDir(), "repo"), Options{Host: "nas"})
}

// Nothing goes before it is older than the grace, nor before a grace after it was condemned, nor while a session runs
// that began before; a dry run says the same and changes nothing.
func TestGCWaits(t *testing.T) {
	r := realRepo(t)
	kept := commitTree(t, begin(t, r), "w", 100)
	lose(t, r, 1, time.Hour)
	const day = 24 * time.Hour
	if got := collect(t, r, day); got.Young.Blobs == 0 || got.Condemned.Blobs+got.Removed.Blobs+len(got.Waiting) > 0 {
		t.Errorf("young: %+v", got)
	}
	for _, name := range fileNames(t, r.path(blobDir)) {
		makeOld(t, r.path(blobDir, name), 2*day)
	}
	dry, err := r.GC(t.Context(), GCOptions{Grace: day, DryRun: true})
	if err != nil || dry.Condemned.Blobs == 0 || len(fileNames(t, r.path(gcDir))) > 0 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if got := collect(t, r, day); got.Condemned != dry.Condemned || got.Removed.Blobs > 0 || len(got.Waiting) != 1 {
		t.Errorf("old: %+v, the dry run said %+v", got, dry)
	}
	makeOld(t, r.path(gcPath(1, condemnedFile)), 2*day)
	// The session of commitTree above began before and is not closed yet.
	got := collect(t, r, day)
	if len(got.Waiting) != 1 || len(got.Waiting[0].Sessions) != 1 || got.Removed.Blobs > 0 {
		t.Errorf("with a session: %+v", got)
	}
	sessions, err := r.Sessions()
	if err != nil || len(sessions) != 1 || sessions[0].Dead || !sessions[0].Locked {
		t.Fatal(sessions, err)
	}
	if err := os.Remove(r.path(sessionDir, sessions[0].ID+sessionSuffix)); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, day); got.Removed != dry.Condemned || len(got.Waiting) > 0 {
		t.Errorf("at last: %+v", got)
	}
	if snaps := checkWhole(t, reopen(t, r)); len(snaps) != 1 || snaps[0].ID != kept.ID {
		t.Errorf("snapshots: %v", snaps)
	}
}

// A session that counted as dead, and whose blobs are gone, makes no snapshot.
func TestDeadSessionThatLives(t *testing.T) {
	r := realRepo(t)
	s := begin(t, r)
	item, err := putTree(t.Context(), s, "v", makeChunk(1, 1000))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.path(sessionDir, s.id+sessionSuffix)); err != nil { // as somebody does who takes it for dead
		t.Fatal(err)
	}
	if got := collect(t, reopen(t, r), 0); got.Removed.Blobs == 0 {
		t.Fatalf("nothing was removed: %+v", got)
	}
	_, err = s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
	if removed := (*RemovedError)(nil); !errors.As(err, &removed) {
		t.Errorf("Commit: %v", err)
	}
	if refs := fileNames(t, r.path(refDir)); len(refs) > 0 {
		t.Errorf("refs: %v", refs)
	}
}

// What is stored again while its name is condemned has another name, and decoders of the old bytes find them first.
func TestNewNameOfCondemned(t *testing.T) {
	r := realRepo(t)
	lose(t, r, 1, time.Hour)
	if _, err := r.GC(t.Context(), GCOptions{Grace: time.Minute}); err != nil {
		t.Fatal(err)
	}
	s := begin(t, r)
	c := makeChunk(1, 1000)
	b := put(t, s, c)
	data := readFile(t, blobFile(r, b.Digest))
	if b.Digest == DigestOf(c.stored) || !bytes.HasPrefix(data, c.stored) || len(data) != len(c.stored)+24 || DigestOf(data) != b.Digest {
		t.Errorf("stored %d bytes as %s", len(data), b.Digest)
	}
	w, err := s.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c2 := makeChunk(2, 50)
	if _, err := w.Write(c2.stored); err != nil {
		t.Fatal(err)
	}
	b2, err := w.Commit(c2.id, c2.plain)
	if err != nil || b2.Stored != 74 || b2.Digest != DigestOf(readFile(t, blobFile(r, b2.Digest))) {
		t.Errorf("big blob: %+v, %v", b2, err)
	}
}

// One GC at a time; a snapshot or an index file that cannot be read stops it before it has changed anything.
func TestGCRefuses(t *testing.T) {
	r := realRepo(t)
	snap := commitTree(t, begin(t, r), "v", 1)
	lock, err := r.tryGCLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = reopen(t, r).GC(t.Context(), GCOptions{})
	if locked := (*LockedError)(nil); !errors.As(err, &locked) {
		t.Errorf("beside another: %v", err)
	}
	lock.Release()
	orphan := r.path(blobDir, DigestOf([]byte("x")).Hex())
	writeFile(t, orphan, []byte("x"))
	for name, damage := range map[string]string{
		"ref": r.path(refDir, snap.ID+refSuffix), "snapshot index": blobFile(r, snap.Digest),
		"index file": r.path(indexDir, fileNames(t, r.path(indexDir))[0]),
	} {
		whole := readFile(t, damage)
		writeFile(t, damage, whole[:len(whole)/2])
		other := reopen(t, r)
		if _, err := other.GC(t.Context(), GCOptions{}); err == nil {
			t.Errorf("%s: gc did not notice", name)
		}
		bad, err := other.Unreadable(t.Context())
		if err != nil || (len(bad) == 1) == (name == "index file") {
			t.Errorf("%s: unreadable %v, %v", name, bad, err)
		}
		writeFile(t, damage, whole)
	}
	if _, err := os.Stat(orphan); err != nil || len(fileNames(t, r.path(gcDir))) > 0 {
		t.Errorf("something was done: %v", err)
	}
	if _, err := reopen(t, r).GC(t.Context(), GCOptions{}); err != nil {
		t.Error(err)
	}
}

// A sequence number is not used again when its snapshot is forgotten, and a snapshot comes back as it was.
func TestForgetAndUndelete(t *testing.T) {
	r := realRepo(t)
	s := begin(t, r)
	first, second := commitTree(t, s, "v", 1), commitTree(t, s, "v", 2)
	before := readFile(t, r.path(refDir, second.ID+refSuffix))
	forget(t, r, second.ID)
	if list, err := r.Forgotten(); err != nil || len(list) != 1 || list[0].ID != second.ID || list[0].Job != "nightly" {
		t.Errorf("forgotten: %+v, %v", list, err)
	}
	third := commitTree(t, s, "v", 3)
	refs, _, err := r.refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range refs {
		if f.ID == third.ID && (f.Sequence != 3 || f.Previous != second.ID) {
			t.Errorf("the next is %+v", f)
		}
	}
	if _, err := r.Undelete(t.Context(), []string{first.ID}); !errors.Is(err, ErrNotForgotten) {
		t.Errorf("undelete what was not forgotten: %v", err)
	}
	if ids, err := r.Undelete(t.Context(), []string{second.ID[:8]}); err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	sameBytes(t, "ref", readFile(t, r.path(refDir, second.ID+refSuffix)), before)
	if snaps := checkWhole(t, r); len(snaps) != 3 {
		t.Errorf("%d snapshots", len(snaps))
	}
	_, err = r.Forget(t.Context(), func([]Snapshot) ([]string, error) { return nil, context.Canceled })
	if !errors.Is(err, context.Canceled) || len(checkWhole(t, r)) != 3 {
		t.Errorf("Forget that is not decided: %v", err)
	}
}

// A damaged list of what is condemned stops every session, until it is mended.
func TestMendGC(t *testing.T) {
	r := realRepo(t)
	lose(t, r, 1, time.Hour)
	collect(t, r, time.Minute)
	list := r.path(gcPath(1, condemnedFile))
	data := readFile(t, list)
	data[40] ^= 1
	writeFile(t, list, data)
	_, err := r.Begin(t.Context(), SessionInfo{})
	if damaged := (*GCDamageError)(nil); !errors.As(err, &damaged) || damaged.Number != 1 {
		t.Errorf("Begin: %v", err)
	}
	if left := fileNames(t, r.path(sessionDir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if mended, err := r.MendGC(t.Context()); err != nil || len(mended) != 1 {
		t.Fatal(mended, err)
	}
	if err := begin(t, r).Close(); err != nil {
		t.Fatal(err)
	}
	if got := collect(t, r, 0); got.Removed.Blobs == 0 {
		t.Errorf("gc: %+v", got)
	}
}

// Removals and tombstones are forgotten after a month, except the newest number and each host's highest sequence.
func TestGCCleansUp(t *testing.T) {
	r := realRepo(t)
	var lost []Snapshot
	for n := range uint64(3) {
		lost = append(lost, lose(t, r, 10*n, time.Hour))
		collect(t, r, 0)
	}
	for n := range int64(3) {
		makeOld(t, r.path(gcPath(n+1, doneFile)), gcKept+time.Hour)
	}
	for _, snap := range lost {
		makeOld(t, r.path(tombDir, snap.ID+refSuffix), gcKept+time.Hour)
	}
	collect(t, r, 0)
	if left := fileNames(t, r.path(gcDir)); len(left) != 1 || left[0] != gcName(3) {
		t.Errorf("removals: %v", left)
	}
	if left := fileNames(t, r.path(tombDir)); len(left) != 1 || left[0] != lost[2].ID+refSuffix {
		t.Errorf("tombstones: %v", left)
	}
}

// Unlock removes the dead; with force those that may be dead, and never one that holds its lock.
func TestUnlock(t *testing.T) {
	r := realRepo(t)
	living := begin(t, r)
	boot, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	const dead, unsure = "01234567-89ab-4def-8123-456789abcdef", "11234567-89ab-4def-8123-456789abcdef"
	writeSession(t, r, dead, sessionFile{Host: "nas", BootID: boot.Boot}, 0)
	writeSession(t, r, unsure, sessionFile{Host: "web", BootID: "other"}, time.Hour)
	removed, kept, err := r.Unlock(t.Context(), false)
	if err != nil || len(removed) != 1 || removed[0].ID != dead || len(kept) != 2 {
		t.Errorf("Unlock: %v, %v, %v", removed, kept, err)
	}
	removed, kept, err = r.Unlock(t.Context(), true)
	if err != nil || len(removed) != 1 || removed[0].ID != unsure || len(kept) != 1 || kept[0].ID != living.id {
		t.Errorf("Unlock with force: %v, %v, %v", removed, kept, err)
	}
	if temps, err := filepath.Glob(r.path(blobDir, ".tmp-"+"*")); err != nil || len(temps) > 0 {
		t.Errorf("left: %v, %v", temps, err)
	}
}

// What is unique and what is shared add up to what there is.
func TestUsage(t *testing.T) {
	r := realRepo(t)
	s := begin(t, r)
	shared, own := makeChunk(1, 3000), makeChunk(2, 500)
	for _, chunks := range [][]chunk{{shared}, {shared, own}} {
		item, err := putTree(t.Context(), s, "v", chunks...)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, s, Snapshot{Complete: true, Items: []Item{item}})
	}
	u, err := r.Usage(t.Context())
	if err != nil || len(u.Snapshots) != 2 {
		t.Fatal(u, err)
	}
	newer, older := u.Snapshots[0], u.Snapshots[1]
	if newer.Stored.Bytes < older.Stored.Bytes {
		newer, older = older, newer
	}
	sharedBytes := newer.Stored.Bytes - newer.Unique.Bytes
	switch {
	case sharedBytes != older.Stored.Bytes-older.Unique.Bytes, sharedBytes < 3000:
		t.Errorf("shared by one: %d, %+v", sharedBytes, u)
	case newer.Unique.Bytes < 500 || older.Unique.Bytes == 0:
		t.Errorf("unique: %+v", u)
	case u.Needed.Bytes != sharedBytes+newer.Unique.Bytes+older.Unique.Bytes, u.Needed != u.Stored:
		t.Errorf("sum: %+v", u)
	}
	if got := collect(t, r, 0); got.Needed != u.Needed {
		t.Errorf("gc says %+v", got)
	}
}
