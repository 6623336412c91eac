package migrate_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/daemonjson"
	"davit/engine/enginetest"
	"davit/migrate"
	"davit/migrate/preflight"
)

// at calls do when a run comes to an item, once.
func at(item string, do func()) watcher {
	done := false
	return watcher{func(is string) {
		if !done && strings.HasPrefix(is, item) {
			done = true
			do()
		}
	}}
}

// planned is a plan with what was seen of daemon.json and of the destination's disk.
func (h *fakeHost) planned(t *testing.T) *migrate.Plan {
	t.Helper()
	p := h.plan()
	file, err := daemonjson.Load(h.config())
	must(t, err)
	p.Survey.Engine.ConfigDigest = preflight.ConfigDigest(file)
	p.Survey.Destinations = []preflight.Destination{{Path: h.new(), MountPoint: filepath.Dir(h.dir), FSType: "ext4"}}
	return p
}

// What somebody else has changed since the plan was made is noticed, and nothing is done on top of it.
func TestChangedSinceThePlan(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	const edited = "{\"debug\": false}\n"
	for name, row := range map[string]struct {
		before  func(h *fakeHost, p *migrate.Plan) // the run
		item    string
		during  func(h *fakeHost)
		outcome migrate.Outcome
		words   string
	}{
		"daemon.json before the run": {item: "none", before: func(h *fakeHost, _ *migrate.Plan) { must(t, os.WriteFile(h.config(), []byte(edited), 0o640)) },
			outcome: migrate.Interrupted, words: "somebody has changed"},
		"daemon.json while it copies": {item: "copy of", during: func(h *fakeHost) { must(t, os.WriteFile(h.config(), []byte(edited), 0o640)) },
			outcome: migrate.RolledBack, words: "somebody has changed"},
		"daemon.json while all is down": {item: string(migrate.StepSync), during: func(h *fakeHost) { must(t, os.WriteFile(h.config(), []byte(edited), 0o640)) },
			outcome: migrate.RolledBack, words: "somebody has changed"},
		"daemon.json removed": {item: string(migrate.StepVerify), during: func(h *fakeHost) { must(t, os.Remove(h.config())) },
			outcome: migrate.RolledBack, words: "somebody has changed"},
		"another data-root": {item: "copy of", during: func(h *fakeHost) {
			h.root = filepath.Join(h.dir, "third")
			must(t, os.CopyFS(h.root, os.DirFS(h.old())))
		},
			outcome: migrate.RolledBack, words: "was made to work on"},
		"the disk is gone": {item: "none", before: func(_ *fakeHost, p *migrate.Plan) { p.Survey.Destinations[0].MountPoint = "/mnt/gone" },
			outcome: migrate.Interrupted, words: "what was mounted on /mnt/gone (ext4) has gone"},
		"another disk is there": {item: "none", before: func(_ *fakeHost, p *migrate.Plan) { p.Survey.Destinations[0].FSType = "xfs" },
			outcome: migrate.Interrupted, words: "(xfs) has gone"},
		"nothing mounts it at boot": {item: "none", before: func(_ *fakeHost, p *migrate.Plan) { p.Survey.Destinations[0].AtBoot = true },
			outcome: migrate.Interrupted, words: "at boot was removed"},
		"somebody starts the engine": {item: string(migrate.StepVerify), during: func(h *fakeHost) { h.masked = false; must(t, h.startEngine()) },
			outcome: migrate.RolledBack, words: "docker.service runs again"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t, disk)
			before, p := h.picture(), h.planned(t)
			h.begin(t, p)
			if row.before != nil {
				row.before(h, p)
				must(t, os.RemoveAll(h.state()))
				h.begin(t, p)
			}
			w := h.worker()
			w.Report = at(row.item, func() { row.during(h) })
			err := w.Work(t.Context())
			var undone *migrate.UndoneError
			var changed *migrate.ChangedError
			if !errors.As(err, &undone) || !strings.Contains(err.Error(), row.words) || errors.As(err, &changed) == (name == "somebody starts the engine") {
				t.Errorf("%v", err)
			}
			s := h.loaded(t)
			if s.Outcome != row.outcome || !strings.Contains(s.Reason, row.words) {
				t.Errorf("%q: %s", s.Outcome, s.Reason)
			}
			if after := h.picture(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
			data, _ := os.ReadFile(h.config())
			if strings.HasPrefix(name, "daemon.json") && name != "daemon.json removed" && string(data) != edited {
				t.Errorf("what somebody wrote is now %s", data)
			}
		})
	}
}

// A run waits for the end of a backup that may have containers in hand, and then copies once more.
func TestWaitsForBackups(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	before := h.picture()
	h.begin(t, h.plan())
	w := h.worker()
	asked, passes := 0, 0
	w.Others = func() ([]string, error) {
		if asked++; asked < 3 {
			if h.loaded(t).Step != migrate.StepCopy || h.picture() != before {
				t.Error("it did not wait")
			}
			return []string{"nightly-1"}, nil
		}
		return nil, nil
	}
	w.Report = watcher{func(item string) {
		if strings.HasPrefix(item, "copy of data-root, pass 1") && !strings.Contains(item, "files") {
			passes++
		}
	}}
	must(t, w.Work(t.Context()))
	if h.root != h.new() || asked < 4 || passes != 2 {
		t.Errorf("the engine is on %s; asked %d times, %d first passes", h.root, asked, passes)
	}
}

// A container that ends by itself just before it would have been stopped is not started again, unless its own policy would have.
func TestEndedMeanwhile(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	h.begin(t, h.plan())
	w := h.worker()
	w.Report = at(string(migrate.StepStopContainers), func() {
		for _, id := range []string{"a1", "c3", "d4"} { // always, on-failure with exit code 0, no
			delete(h.running, id)
		}
	})
	must(t, w.Work(t.Context()))
	var up []string
	for id := range h.running {
		up = append(up, id)
	}
	slices.Sort(up)
	if s := h.loaded(t); strings.Join(up, " ") != "a1 b2 f6" || s.Report.Stopped != 3 || s.Report.Started != 3 {
		t.Errorf("%v run; stopped %d, started %d", up, s.Report.Stopped, s.Report.Started)
	}
}

// Without holding, containers write on the new root as soon as the engine runs there. From then on nothing is undone by
// itself: what differs is told, and a worker that was killed is brought to its end.
func TestNoHold(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	begin := func(t *testing.T) (*fakeHost, string) {
		h := newFakeHost(t, disk)
		before := h.picture()
		p := h.plan()
		p.Options.NoHold = true
		h.begin(t, p)
		return h, before
	}
	h, before := begin(t)
	w := h.worker()
	w.Report = at(string(migrate.StepSync), func() { h.lose = true })
	var partial *migrate.PartialError
	if err := w.Work(t.Context()); !errors.As(err, &partial) || !strings.Contains(err.Error(), "app:1 is missing") {
		t.Errorf("%v", err)
	}
	if after := h.picture(); h.root != h.new() || after != before {
		t.Errorf("on %s, before\n%s\nafter\n%s", h.root, before, after)
	}
	forward := 0
	for n := 1; ; n += stride() {
		h, before := begin(t)
		w := h.worker()
		w.Now, _ = killAt(n)
		if !killed(t, func() error { return w.Work(t.Context()) }) {
			break
		}
		wrote := h.root == h.new()
		must(t, h.worker().Recover(t.Context()))
		s := h.loaded(t)
		if wrote {
			forward++
		}
		if wrote && s.Outcome != migrate.Done || s.Outcome == "" {
			t.Errorf("death %d: containers ran on the new root: %t, and the outcome is %q", n, wrote, s.Outcome)
		}
		if after := h.picture(); after != before {
			t.Errorf("death %d: before\n%s\nafter\n%s", n, before, after)
		}
	}
	if forward == 0 {
		t.Error("no death after the start: this test proves nothing")
	}
}

// fill takes all that is left on a disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	must(t, f.Sync())
}

// The disk of the journal may be full: it is often what one moves away from. A run has kept room for itself, and where
// even that is gone, the containers run all the same in the end.
func TestFullDiskUnderTheJournal(t *testing.T) {
	for _, row := range []struct {
		name    string
		reserve bool
	}{{"with what was kept", true}, {"with nothing", false}} {
		t.Run(row.name, func(t *testing.T) {
			h := newFakeHost(t, enginetest.Disk(t, 64<<20))
			before := h.picture()
			small := enginetest.Disk(t, 40<<20)
			must(t, os.Symlink(small, h.state()))
			h.begin(t, h.plan())
			w := h.worker()
			w.Report = at(string(migrate.StepStopEngine), func() {
				if !row.reserve {
					must(t, os.Remove(filepath.Join(migrate.Folder(h.state()), "reserve")))
				}
				fill(t, small)
			})
			err := w.Work(t.Context())
			if row.reserve {
				must(t, err)
				if h.root != h.new() {
					t.Errorf("the engine is on %s", h.root)
				}
			} else if err == nil || !strings.Contains(err.Error(), "no space left") || h.root != h.old() {
				t.Errorf("%v, the engine is on %s", err, h.root)
			}
			if after := h.picture(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
			must(t, os.Remove(filepath.Join(small, "filler")))
			must(t, h.worker().Recover(t.Context()))
			if s := h.loaded(t); s.Outcome == "" || s.OnNewRoot() != row.reserve {
				t.Errorf("outcome %q", s.Outcome)
			}
			if after := h.picture(); after != before {
				t.Errorf("after recover\n%s", after)
			}
		})
	}
	small := enginetest.Disk(t, 16<<20)
	fill(t, small)
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	if err := migrate.Create(small, h.plan(), time.Now); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a run begins without room for its journal: %v", err)
	}
}

// Most of a rollback with sync-back is copied while the containers run.
func TestSyncBackCopiesWhileContainersRun(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	before := h.picture()
	h.begin(t, h.plan())
	must(t, h.worker().Work(t.Context()))
	must(t, migrate.Order(h.state(), migrate.ActionSyncBack, time.Now))
	w := h.worker()
	warm := false
	w.Report = watcher{func(item string) {
		if strings.HasPrefix(item, "copy of data-root, pass 1, ") {
			warm = true
			if s := h.loaded(t); h.root != h.new() || len(h.running) != 5 || s.Step != migrate.StepCopyBack || !s.StaleOld || !s.OnNewRoot() {
				t.Errorf("while it copies: the engine is on %s, %d containers run, %s", h.root, len(h.running), s.Step)
			}
		}
	}}
	must(t, w.Work(t.Context()))
	h.untouched(t)
	if after := h.picture(); after != before || !warm {
		t.Errorf("warm pass: %t, before\n%s\nafter\n%s", warm, before, after)
	}
	// What fails while it copies leaves everything where it is, and only another sync-back goes back.
	h = newFakeHost(t, enginetest.Disk(t, 64<<20))
	h.begin(t, h.plan())
	must(t, h.worker().Work(t.Context()))
	running := h.picture()
	must(t, migrate.Order(h.state(), migrate.ActionSyncBack, time.Now))
	w = h.worker()
	w.Others = func() ([]string, error) { return nil, errFake }
	if err := w.Work(t.Context()); !errors.Is(err, errFake) {
		t.Errorf("%v", err)
	}
	if s := h.loaded(t); s.Outcome != migrate.Done || !s.StaleOld || h.picture() != running {
		t.Errorf("%s, stale %t\n%s", s.Outcome, s.StaleOld, h.picture())
	}
	if err := migrate.Order(h.state(), migrate.ActionRollback, time.Now); err == nil {
		t.Error("a plain rollback would use an old root that is neither old nor new")
	}
}
