package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

var kinds = map[bool]string{false: "clear", true: "encrypted"}

// eachPair runs a test for all pairs of clear and encrypted repositories.
func eachPair(t *testing.T, test func(t *testing.T, from, to *place)) {
	enginetest.NeedRoot(t)
	for _, from := range []bool{false, true} {
		for _, to := range []bool{false, true} {
			t.Run(kinds[from]+" to "+kinds[to], func(t *testing.T) {
				t.Parallel()
				test(t, newPlace(t, from), newPlace(t, to))
			})
		}
	}
}

// Whatever source and target are: copies restore to what their originals restore to, have their names, verify, are made
// once, and cost what changed.
func TestCopy(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to *place) {
		src := newTree(t)
		first := from.save(t, src)
		from.saveImages(t)
		report := mustCopy(t, from, to, nil)
		if len(report.Copied) != 2 || report.Copied[0].ID != first || report.Stored == 0 {
			t.Fatalf("first copy: %+v", report)
		}
		full := report.Stored
		if again := mustCopy(t, from, to, nil); len(again.Copied) != 0 || again.There != 2 || again.Blobs != 0 {
			t.Errorf("again: %+v", again)
		}
		write(t, src+"/dir2/file 2", "another content")
		second := from.save(t, src)
		report = mustCopy(t, from, to, nil)
		if len(report.Copied) != 1 || report.Stored > full/8 || report.BytesRead > full/8 {
			t.Errorf("a small change cost %+v of %d", report, full)
		}
		for _, id := range []string{first, second} {
			for _, line := range from.restored(t, id).Diff(to.restored(t, id)) {
				t.Errorf("snapshot %s: %s", id, line)
			}
		}
		if want, got := from.images(t), to.images(t); !maps.Equal(want, got) || len(got) != 3 {
			t.Errorf("images are %v, want %v", got, want)
		}
		to.whole(t, 3)
		from.whole(t, 3)
		compareSnapshots(t, from, to)
	})
}

// compareSnapshots checks that copies are called as their originals, and tell where they come from.
func compareSnapshots(t *testing.T, from, to *place) {
	t.Helper()
	want, err := from.open(t, "web1", true).Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := to.open(t, "web1", true).Snapshots(t.Context())
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d snapshots, %v", len(got), err)
	}
	for i, a := range want {
		b := got[i]
		if a.ID != b.ID || !sameRun(a, b) || a.Complete != b.Complete || a.DavitVersion != b.DavitVersion || len(a.Items) != len(b.Items) {
			t.Errorf("copied %+v to %+v", a, b)
		}
		origin := from.open(t, "web1", false).Config().ID + "/" + a.ID
		if b.Summary[SummaryOrigin] != origin || b.Summary["files"] != a.Summary["files"] {
			t.Errorf("summary is %v, origin %s", b.Summary, origin)
		}
		for n, it := range a.Items {
			if c := b.Items[n]; it.Kind != c.Kind || it.Name != c.Name || !maps.Equal(it.Annotations, c.Annotations) {
				t.Errorf("item %+v became %+v", it, c)
			}
		}
	}
}

// A copy of a copy still tells the first origin, and can go all the way round.
func TestCopyOfCopy(t *testing.T) {
	enginetest.NeedRoot(t)
	first, second, third := newPlace(t, false), newPlace(t, true), newPlace(t, false)
	src := newTree(t)
	id := first.save(t, src)
	first.saveImages(t)
	mustCopy(t, first, second, nil)
	mustCopy(t, second, third, nil)
	snap, err := third.open(t, "web1", false).Find(t.Context(), id, repo.Query{})
	if origin := first.open(t, "web1", false).Config().ID + "/" + id; err != nil || snap.Summary[SummaryOrigin] != origin {
		t.Errorf("origin %v, want %s, %v", snap.Summary, origin, err)
	}
	for _, line := range first.restored(t, id).Diff(third.restored(t, id)) {
		t.Error(line)
	}
	if want, got := first.images(t), third.images(t); !maps.Equal(want, got) {
		t.Errorf("images are %v, want %v", got, want)
	}
	if back := mustCopy(t, third, first, nil); back.Blobs != 0 || back.There != 2 {
		t.Errorf("back again: %+v", back)
	}
}

// What must not happen is refused, and nothing is written.
func TestCopyIsRefused(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	write(t, src+"/a", "one")
	sealed, clearOne := newPlace(t, true), newPlace(t, false)
	sealed.save(t, src)
	clearOne.save(t, src)
	var refused *backup.RefusedError
	if _, err := copyTo(t, sealed, newPlace(t, false), func(o *Options) { o.AllowPlaintext = false }); !errors.As(err, &refused) {
		t.Errorf("into the clear: %v", err)
	}
	noKey := newPlace(t, true)
	if _, err := copyTo(t, clearOne, noKey, func(o *Options) { o.To = noKey.open(t, "nas", false) }); !errors.As(err, &refused) {
		t.Errorf("in the name of another host: %v", err)
	}
	if _, err := copyTo(t, sealed, clearOne, func(o *Options) { o.From = sealed.open(t, "nas", false) }); !errors.Is(err, repo.ErrKeyNeeded) {
		t.Errorf("from what cannot be read: %v", err)
	}
	var usage *backup.UsageError
	if _, err := copyTo(t, clearOne, clearOne, nil); !errors.As(err, &usage) {
		t.Errorf("into itself: %v", err)
	}
}

// A host copies its own snapshots into an encrypted repository without an identity of it, again and again at little cost.
func TestCopyOwnWithoutIdentity(t *testing.T) {
	enginetest.NeedRoot(t)
	for _, encrypted := range []bool{false, true} {
		t.Run(kinds[encrypted], func(t *testing.T) {
			from, to := newPlace(t, encrypted), newPlace(t, true)
			src := newTree(t)
			from.save(t, src)
			own := func(o *Options) { o.From, o.To, o.Self = from.open(t, "web1", true), to.open(t, "web1", false), "web1" }
			full := mustCopy(t, from, to, own).Stored
			write(t, src+"/dir4/file 4", "changed")
			id := from.save(t, src)
			report := mustCopy(t, from, to, own)
			if report.Stored > full/8 || report.BytesRead > full/8 {
				t.Errorf("a small change cost %+v of %d", report, full)
			}
			for _, line := range from.restored(t, id).Diff(to.restored(t, id)) {
				t.Error(line)
			}
			to.whole(t, 2)
		})
	}
}

// How big a snapshot is can be told without a key.
func TestBytesWithoutKey(t *testing.T) {
	p := newPlace(t, true)
	src := t.TempDir()
	write(t, src+"/a", strings.Repeat("x", 5000))
	p.save(t, src)
	snaps, err := p.open(t, "nas", false).Snapshots(t.Context())
	if err != nil || len(snaps) != 1 || !snaps[0].Sealed() || streamBytes(snaps[0]) != 5000 {
		t.Errorf("%+v, %v", snaps, err)
	}
}

// saveThree makes snapshots of a folder with other content each time.
func saveThree(t *testing.T, at *place) (ids []string) {
	t.Helper()
	src := t.TempDir()
	for i := range 3 {
		write(t, src+"/a", fmt.Sprint(i))
		ids = append(ids, at.save(t, src))
	}
	return ids
}

// What was forgotten in the target stays so; what is asked for by host, job and name is copied, and nothing else.
func TestCopySelection(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := newPlace(t, false), newPlace(t, false)
	ids := saveThree(t, from)
	if r := mustCopy(t, from, to, func(o *Options) { o.Specs = []string{ids[1][:8]} }); len(r.Copied) != 1 || r.Copied[0].ID != ids[1] {
		t.Errorf("by name: %+v", r)
	}
	if r := mustCopy(t, from, to, func(o *Options) { o.Specs, o.Self = []string{"latest"}, "web1" }); len(r.Copied) != 1 || r.Copied[0].ID != ids[2] {
		t.Errorf("latest: %+v", r)
	}
	if r := mustCopy(t, from, to, func(o *Options) { o.Job = "other" }); len(r.Copied) != 0 {
		t.Errorf("another job: %+v", r)
	}
	if r := mustCopy(t, from, to, func(o *Options) { o.Host = "other" }); len(r.Copied) != 0 {
		t.Errorf("another host: %+v", r)
	}
	if _, err := to.open(t, "web1", false).Forget(t.Context(), func([]repo.Snapshot) ([]string, error) { return ids[1:2], nil }); err != nil {
		t.Fatal(err)
	}
	if r := mustCopy(t, from, to, nil); len(r.Copied) != 1 || r.Copied[0].ID != ids[0] || r.Skipped != 1 || r.There != 1 {
		t.Errorf("one was forgotten: %+v", r)
	}
}

// Of two that copy the same at once, each says what it copied and what was there; what is forgotten meanwhile stays so.
func TestCopyTwiceAtOnce(t *testing.T) {
	enginetest.NeedRoot(t)
	from, to := newPlace(t, false), newPlace(t, false)
	ids := saveThree(t, from)
	plan, err := NewPlan(t.Context(), Options{From: from.open(t, "nas", true), To: to.open(t, "nas", true), Self: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	mustCopy(t, from, to, func(o *Options) { o.Specs = ids[:2] })
	if _, err := to.open(t, "web1", false).Forget(t.Context(), func([]repo.Snapshot) ([]string, error) { return ids[1:2], nil }); err != nil {
		t.Fatal(err)
	}
	r, err := Apply(t.Context(), Env{Now: time.Now}, plan)
	if err != nil || len(r.Copied) != 1 || r.Copied[0].ID != ids[2] || r.There != 1 || r.Skipped != 1 {
		t.Errorf("the second: %+v, %v", r, err)
	}
	to.whole(t, 2)
}

// Damage of the source does not come along: a chunk that is damaged, or holds something else than its id says, ends its
// snapshot's copy, and the others are copied.
func TestCopyOfDamage(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		t.Run(kinds[encrypted], func(t *testing.T) {
			enginetest.NeedRoot(t)
			from, to := newPlace(t, encrypted), newPlace(t, true)
			good, bad := t.TempDir(), newTree(t)
			write(t, good+"/a", "one")
			first, second := from.save(t, bad), from.save(t, good)
			blob := largest(t, from.dir+"/repo/blobs/sha256")
			data, err := os.ReadFile(blob)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(blob, data, 0o600); err != nil {
				t.Fatal(err)
			}
			report, err := copyTo(t, from, to, nil)
			var damaged *repo.DamagedError
			if !errors.As(err, &damaged) || len(report.Failed) != 1 || report.Failed[0].ID != first || len(report.Copied) != 1 || report.Copied[0].ID != second {
				t.Fatalf("%+v, %v", report, err)
			}
			to.whole(t, 1)
		})
	}
}

func largest(t *testing.T, dir string) (path string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > size {
			path, size = filepath.Join(dir, e.Name()), info.Size()
		}
	}
	return path
}

// A copy that is cut goes on from what was synced: the next one stores the rest.
func TestCopyGoesOn(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to *place) {
		src := newTree(t)
		id := from.save(t, src)
		plan, err := NewPlan(t.Context(), Options{From: from.open(t, "nas", true), To: to.open(t, "nas", true), AllowPlaintext: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := cancelAfter(t, 7<<20)
		if _, err := Apply(ctx, Env{Now: time.Now, Reporter: cancel, Workers: 1}, plan); err == nil {
			t.Fatal("the copy was not cut")
		}
		report := mustCopy(t, from, to, nil)
		if len(report.Copied) != 1 {
			t.Fatalf("%+v", report)
		}
		for _, line := range from.restored(t, id).Diff(to.restored(t, id)) {
			t.Error(line)
		}
		to.whole(t, 1)
	})
}

// cancelReporter ends a run when so many bytes are done.
type cancelReporter struct {
	backup.NoReporter
	left   atomic.Int64
	cancel context.CancelFunc
}

func cancelAfter(t *testing.T, bytes int64) (context.Context, *cancelReporter) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := &cancelReporter{cancel: cancel}
	r.left.Store(bytes)
	return ctx, r
}

func (r *cancelReporter) Add(n int64) {
	if r.left.Add(-n) < 0 {
		r.cancel()
	}
}

// What was forgotten long ago comes back when it is named, and not by itself; what undelete can bring back never does.
func TestCopyOfForgotten(t *testing.T) {
	forgotten := []repo.Forgotten{{ID: "long", Long: true}, {ID: "lately"}}
	for _, c := range []struct {
		id    string
		named bool
		want  Action
	}{
		{"other", false, ActionCopy}, {"long", false, ActionSkip}, {"long", true, ActionCopy},
		{"lately", false, ActionSkip}, {"lately", true, ActionSkip},
	} {
		p := Planned{ID: c.id, Action: ActionCopy}
		if p.skipForgotten(forgotten, c.named); p.Action != c.want || (p.Action == ActionSkip) != (p.Reason != "") {
			t.Errorf("%s, named %v: %s, %q", c.id, c.named, p.Action, p.Reason)
		}
	}
}
