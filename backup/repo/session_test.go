package repo

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// writeSession makes the session file of somebody else, unlocked, and one
// temporary file of his.
func writeSession(t *testing.T, r *Repository, id string, content sessionFile, age time.Duration) (temp string) {
	t.Helper()
	content.ID = id
	data, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	path := r.path(sessionDir, id+sessionSuffix)
	writeFile(t, path, data)
	when := time.Now().Add(-age)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	temp = r.path(blobDir, ".tmp-"+id+"-1")
	writeFile(t, temp, []byte("half a blob"))
	return temp
}

// What dead sessions left goes at the next Begin; what may be alive stays.
func TestBeginRemovesLeftoversOfTheDead(t *testing.T) {
	boot, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content sessionFile
		age     time.Duration
		dead    bool
	}{
		"this boot, lock gone":       {sessionFile{Host: "nas", BootID: boot.Boot}, 0, true},
		"this host, before a reboot": {sessionFile{Host: "nas", BootID: "other"}, time.Hour, true},
		"this host, just now":        {sessionFile{Host: "nas", BootID: "other"}, time.Minute, false},
		"other host, an hour ago":    {sessionFile{Host: "web", BootID: "other"}, time.Hour, false},
		"other host, two days ago":   {sessionFile{Host: "web", BootID: "other"}, 48 * time.Hour, true},
	} {
		r := newRepo(t)
		temp := writeSession(t, r, "01234567-89ab-4def-8123-456789abcdef", c.content, c.age)
		begin(t, r)
		_, err := os.Stat(temp)
		if gone := errors.Is(err, os.ErrNotExist); gone != c.dead {
			t.Errorf("%s: temporary file gone: %v, want %v", name, gone, c.dead)
		}
		if names := fileNames(t, r.path(sessionDir)); (len(names) == 1) != c.dead {
			t.Errorf("%s: sessions %v", name, names)
		}
	}
}

// A living session in another process keeps its half-written blob.
func TestBeginKeepsTheLiving(t *testing.T) {
	r := newRepo(t)
	first := begin(t, r)
	w, err := first.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	c := makeChunk(1, 100)
	if _, err := w.Write(c.stored); err != nil {
		t.Fatal(err)
	}
	// A dead one makes the next Begin look for leftovers at all.
	boot, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	writeSession(t, r, "01234567-89ab-4def-8123-456789abcdef", sessionFile{BootID: boot.Boot}, 0)
	begin(t, reopen(t, r))
	if _, err := w.Commit(c.id, c.plain); err != nil {
		t.Error(err)
	}
}

// A file that was never renamed into place goes after a day.
func TestBeginRemovesOldTemps(t *testing.T) {
	r := newRepo(t)
	long := time.Now().Add(-25 * time.Hour)
	for _, dir := range []string{"", refDir, indexDir, sessionDir} {
		for _, name := range []string{".davit-123", ".tmp-old"} {
			writeFile(t, r.path(dir, name), nil)
			if err := os.Chtimes(r.path(dir, name), long, long); err != nil {
				t.Fatal(err)
			}
		}
		writeFile(t, r.path(dir, ".davit-new"), nil)
	}
	begin(t, r)
	for _, dir := range []string{"", refDir, indexDir, sessionDir} {
		temps := slices.DeleteFunc(fileNames(t, r.path(dir)), func(name string) bool { return !strings.HasPrefix(name, ".") })
		if !slices.Equal(temps, []string{".davit-new"}) {
			t.Errorf("in %q: %v", dir, temps)
		}
	}
}

func TestSessionFile(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	names := fileNames(t, r.path(sessionDir))
	if len(names) != 1 || !isUUID(strings.TrimSuffix(names[0], ".json")) {
		t.Fatalf("sessions: %v", names)
	}
	var content sessionFile
	if err := json.Unmarshal(readFile(t, r.path(sessionDir, names[0])), &content); err != nil {
		t.Fatal(err)
	}
	boot, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	want := sessionFile{Version: 1, ID: s.id, Host: "nas", PID: os.Getpid(), BootID: boot.Boot, Time: r.opt.Now(), Job: "nightly", Process: boot}
	if content != want {
		t.Errorf("session file is %+v, want %+v", content, want)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if names := fileNames(t, r.path(sessionDir)); len(names) != 0 {
		t.Errorf("after Close: %v", names)
	}
	if _, err := s.PutBlob(t.Context(), []byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("PutBlob after Close: %v", err)
	}
}

// Close publishes nothing: neither an index file nor a ref.
func TestClosePublishesNothing(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	put(t, s, makeChunk(1, 100))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if index, refs := fileNames(t, r.path(indexDir)), fileNames(t, r.path(refDir)); len(index)+len(refs) != 0 {
		t.Errorf("published %v %v", index, refs)
	}
}

func TestCancelled(t *testing.T) {
	s := begin(t, newRepo(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := makeChunk(1, 100)
	if _, err := s.Put(ctx, c.id, c.plain, c.stored); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.Commit(ctx, Snapshot{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if names := fileNames(t, s.repo.path(refDir)); len(names) != 0 {
		t.Errorf("refs: %v", names)
	}
}

// When the file system says that it lost data, nothing is published ever after.
func TestFailedSyncfsSticks(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	put(t, s, makeChunk(1, 100))
	lost := errors.New("lost data")
	if err := r.writes.fail(lost); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), makeChunk(2, 1).id, 1, []byte("x")); !errors.Is(err, lost) {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.Commit(t.Context(), Snapshot{}); !errors.Is(err, lost) {
		t.Errorf("Commit: %v", err)
	}
	if names := fileNames(t, r.path(indexDir)); len(names) != 0 {
		t.Errorf("published: %v", names)
	}
}

// The lock names its owner, and is free once he releases it.
func TestLockedErrorTellsWho(t *testing.T) {
	r := newRepo(t)
	lock, err := r.tryWriteLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	other := reopen(t, r)
	var locked *LockedError
	err = other.WriteIndexJSON(ctx)
	if !errors.As(err, &locked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("WriteIndexJSON: %v", err)
	}
	if locked.Host != "nas" || locked.PID != os.Getpid() || !locked.Since.Equal(r.opt.Now()) {
		t.Errorf("locked by %+v", locked)
	}
	lock.Release()
	if err := other.WriteIndexJSON(t.Context()); err != nil {
		t.Error(err)
	}
	if data := readFile(t, r.path(writeLock)); len(data) != 0 {
		t.Errorf("a free lock names %s", data)
	}
}
