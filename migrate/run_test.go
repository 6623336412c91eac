package migrate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/migrate"
	"davit/migrate/preflight"
)

// quiet is a Reporter for nobody.
type quiet struct{}

func (quiet) Start(int64, int64) {}
func (quiet) Item(string)        {}
func (quiet) Add(int64)          {}
func (quiet) Say(string)         {}
func (quiet) Down(time.Time)     {}

func (h *fakeHost) plan() *migrate.Plan {
	return &migrate.Plan{ID: "test", Options: migrate.Options{Verify: migrate.VerifyFull}, Survey: &preflight.Survey{
		Engine: preflight.Engine{ID: "id", Version: "20.10.24", Driver: "overlay2", DataRoot: h.old(), Unit: "docker.service", ConfigFile: h.config()},
		Stores: []preflight.Store{{Name: preflight.StoreDataRoot, From: h.old(), To: h.new(),
			Configure: preflight.ConfiguredBy{Kind: preflight.ByDefault, File: h.config()}}},
	}}
}

func (h *fakeHost) state() string { return filepath.Join(h.dir, "state") }

func (h *fakeHost) worker() *migrate.Worker {
	return &migrate.Worker{StateDir: h.state(), RunDir: filepath.Join(h.dir, "run"), Exe: "/usr/bin/davit", Manager: h, Connect: h.connect, Now: time.Now, Report: quiet{}}
}

func (h *fakeHost) begin(t *testing.T, p *migrate.Plan) {
	t.Helper()
	must(t, migrate.Create(h.state(), p, time.Now))
}

func (h *fakeHost) loaded(t *testing.T) *migrate.State {
	t.Helper()
	s, err := migrate.Load(h.state())
	must(t, err)
	return s
}

// stride is the distance between the moments that are tried: not all, unless there is time.
func stride() int {
	if enginetest.Integration {
		return 1
	}
	return 3
}

// untouched makes sure that nothing of a migration is left on the host.
func (h *fakeHost) untouched(t *testing.T) {
	t.Helper()
	if h.root != h.old() {
		t.Errorf("the engine is on %q", h.root)
	}
	data, err := os.ReadFile(h.config())
	must(t, err)
	if string(data) != "{\n    \"debug\": true\n}\n" {
		t.Errorf("daemon.json is %s", data)
	}
	if len(h.dropIns) > 0 || len(h.units) > 0 {
		t.Errorf("left: %v %v", h.dropIns, h.units)
	}
}

// A run takes the engine to the new root with everything as it was, and leaves the old root as it is.
func TestRun(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	h := newFakeHost(t, disk)
	before := h.picture()
	h.begin(t, h.plan())
	must(t, h.worker().Work(t.Context()))
	if h.root != h.new() {
		t.Errorf("the engine is on %s", h.root)
	}
	if after := h.picture(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	s := h.loaded(t)
	if s.Outcome != migrate.Done || s.Report.Started != 5 || s.Report.Containers != 6 || s.Report.Downtime <= 0 {
		t.Errorf("%+v", s.Report)
	}
	if len(h.units) > 0 || !strings.Contains(h.dropIns["docker.service/50-davit-mounts.conf"], "RequiresMountsFor="+h.new()) {
		t.Errorf("units %v, drop-ins %v", h.units, h.dropIns)
	}
	data, err := os.ReadFile(h.config())
	must(t, err)
	want := "{\n    \"debug\": true,\n    \"storage-driver\": \"overlay2\",\n    \"data-root\": \"" + h.new() + "\"\n}\n"
	if string(data) != want {
		t.Errorf("daemon.json is %s", data)
	}
}

// Whatever call fails before the point of no return, the host is as before, and says why; after it, the move goes on.
func TestRunWithAnyCallFailing(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	for n := 1; ; n += stride() {
		h := newFakeHost(t, disk)
		before := h.picture()
		h.begin(t, h.plan())
		h.failAt = n
		err := h.worker().Work(t.Context())
		if h.calls < n {
			if n < 40 {
				t.Fatalf("only %d calls: this test proves nothing", h.calls)
			}
			return
		}
		if n == 1 { // the unit was not found, and nothing begun
			if err == nil {
				t.Error("no error")
			}
			continue
		}
		s := h.loaded(t)
		if s.Outcome == "" { // what failed was the last bit of tidying
			must(t, h.worker().Recover(t.Context()))
			s = h.loaded(t)
		}
		if after := h.picture(); after != before && !stoppedForGood(s) {
			t.Fatalf("call %d, step %s, %v, %q: before\n%s\nafter\n%s", n, s.Step, err, s.Report.Problems, before, after)
		}
		switch {
		case s.Outcome == migrate.RolledBack || s.Outcome == migrate.Interrupted:
			if s.Reason == "" {
				t.Errorf("call %d: no reason", n)
			}
			h.untouched(t)
		case s.Outcome != migrate.Done || !s.ContainersStarted || h.root != h.new():
			t.Errorf("call %d: %v, outcome %s, the engine is on %s", n, err, s.Outcome, h.root)
		}
	}
}

// stoppedForGood tells that a container could not be started or get its policy back, and that the report says so.
func stoppedForGood(s *migrate.State) bool {
	return s.Outcome == migrate.Done && len(s.Report.Problems) > 0
}

// death is what a worker is killed by.
type death struct{}

// killAt makes a clock that kills whoever looks at it for the n-th time. The journal is dated, so that includes each
// moment before one of its records.
func killAt(n int) (clock func() time.Time, looked *int) {
	looked = new(int)
	return func() time.Time {
		*looked++
		if *looked == n {
			panic(death{})
		}
		return time.Now()
	}, looked
}

// killed does something that may be killed, and tells whether it was.
func killed(t *testing.T, do func() error) (died bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(death); !ok {
				panic(r)
			}
			died = true
		}
	}()
	var undone *migrate.UndoneError
	if err := do(); err != nil && !errors.As(err, &undone) {
		t.Error(err)
	}
	return false
}

// asAfterReboot tells whether a host is as before, or as a reboot leaves one of which nothing is stopped or held. A
// container that was stopped by hand comes back at a reboot, whatever davit does, if its policy says so.
func asAfterReboot(t *testing.T, disk, after, before string) bool {
	t.Helper()
	plain := newFakeHost(t, disk)
	plain.reboot()
	back := func(s string) string { return strings.Replace(s, `off "running"`, `off ""`, 1) }
	return back(after) == before || back(after) == back(plain.picture())
}

// A worker killed at any moment leaves a host that recover, itself killed at some moment, or a reboot in between, bring
// back to the old root or forward to the new one, with everything as it was.
func TestKilledAtEveryRecord(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	seen := map[migrate.Outcome]int{}
	for n := 1; ; n += stride() {
		over := false
		for _, reboot := range []bool{false, true} {
			for i, again := range []int{0, 1 + n%4, 5 + n%7} {
				if !enginetest.Integration && (reboot != (n%2 == 0) || i != n/stride()%3) {
					continue
				}
				h := newFakeHost(t, disk)
				before := h.picture()
				h.begin(t, h.plan())
				w := h.worker()
				w.Now, _ = killAt(n)
				if !killed(t, func() error { return w.Work(context.Background()) }) {
					over = true
					break
				}
				if reboot {
					h.reboot()
				}
				if again > 0 {
					w := h.worker()
					w.Now, _ = killAt(again)
					killed(t, func() error { return w.Recover(context.Background()) })
				}
				must(t, h.worker().Recover(t.Context()))
				s := h.loaded(t)
				seen[s.Outcome]++
				if s.Outcome == "" {
					t.Fatalf("death %d: no outcome", n)
				}
				if s.Outcome != migrate.Done {
					h.untouched(t)
				} else if h.root != h.new() {
					t.Errorf("death %d: done, and the engine is on %s", n, h.root)
				}
				after := h.picture()
				if reboot && asAfterReboot(t, disk, after, before) {
					after = before
				}
				if after != before {
					t.Fatalf("death %d, reboot %t, again %d, step %s: before\n%s\nafter\n%s", n, reboot, again, s.Step, before, after)
				}
			}
		}
		if over {
			break
		}
	}
	if seen[migrate.Done] == 0 || seen[migrate.RolledBack] == 0 || seen[migrate.Interrupted] == 0 {
		t.Errorf("this test proves nothing: %v", seen)
	}
}

// A unit file that stands above masks is kept down all the same, and comes back.
func TestUnitAboveTheMask(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	h := newFakeHost(t, disk)
	h.above = true
	before := h.picture()
	h.begin(t, h.plan())
	held := false
	w := h.worker()
	w.Report = watcher{func(item string) {
		if item == string(migrate.StepVerify) {
			held = h.startEngine() != nil
		}
	}}
	must(t, w.Work(t.Context()))
	if after := strings.Replace(h.picture(), "masked true", "masked false", 1); after != before || !held || h.root != h.new() {
		t.Errorf("held %t, root %s, before\n%s\nafter\n%s", held, h.root, before, after)
	}
	if _, ok := h.dropIns["docker.service/00-davit-hold.conf"]; ok {
		t.Error("the drop-in is still there")
	}
}

// watcher is a Reporter that is told items.
type watcher struct{ item func(string) }

func (watcher) Start(int64, int64) {}
func (w watcher) Item(name string) { w.item(name) }
func (watcher) Add(int64)          {}
func (watcher) Say(string)         {}
func (watcher) Down(time.Time)     {}

// What is not as before on the new root, an engine that does not start there, and a signal, all end on the old root.
func TestUndone(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	for name, test := range map[string]struct {
		break_ func(h *fakeHost, cancel func())
		reason string
	}{
		"an image is missing":    {func(h *fakeHost, _ func()) { h.lose = true }, "compare: the engine has 1 things that are not as before, the first: image app:1 is missing"},
		"the engine fails there": {func(h *fakeHost, _ func()) { h.refuse = h.new() }, "start: start docker.service"},
		"a signal":               {func(h *fakeHost, cancel func()) { cancel() }, "sync: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newFakeHost(t, disk)
			before := h.picture()
			h.begin(t, h.plan())
			ctx, cancel := context.WithCancelCause(t.Context())
			w := h.worker()
			w.Report = watcher{func(item string) {
				if item == string(migrate.StepSync) {
					test.break_(h, func() { cancel(errors.New("interrupted")) })
				}
			}}
			var undone *migrate.UndoneError
			if err := w.Work(ctx); !errors.As(err, &undone) {
				t.Errorf("%v", err)
			}
			s := h.loaded(t)
			if s.Outcome != migrate.RolledBack || !strings.HasPrefix(s.Reason, test.reason) {
				t.Errorf("%s: %s", s.Outcome, s.Reason)
			}
			h.untouched(t)
			if after := h.picture(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// rolledBack moves, lets a container write, and goes back.
func rolledBack(t *testing.T, method string, a migrate.Action) (h *fakeHost, rows string) {
	t.Helper()
	h = newFakeHost(t, enginetest.Disk(t, 64<<20))
	before := strings.Replace(h.picture(), `"1\n2\n3\n"`, "", 1)
	p := h.plan()
	p.Options.Method = method
	h.begin(t, p)
	must(t, h.worker().Work(t.Context()))
	rowsFile := "volumes/db/_data/rows"
	must(t, os.WriteFile(filepath.Join(h.new(), rowsFile), []byte("1\n2\n3\n4\n"), 0o600))
	must(t, migrate.Order(h.state(), a, time.Now))
	must(t, h.worker().Work(t.Context()))
	h.untouched(t)
	after := h.picture()
	at := strings.LastIndex(after, "\n") + 1
	if after[:at] != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if s := h.loaded(t); s.Outcome != migrate.RolledBack || s.LosesWrites() {
		t.Errorf("%s", s.Outcome)
	}
	return h, after[at:]
}

// What was written since the move is lost by a plain rollback, and only by that.
func TestRollback(t *testing.T) {
	h, rows := rolledBack(t, migrate.MethodCopy, migrate.ActionRollback)
	if rows != `"1\n2\n3\n"` {
		t.Errorf("the old root has %s", rows)
	}
	if err := migrate.Order(h.state(), migrate.ActionRun, time.Now); err == nil {
		t.Error("resume would overwrite what containers wrote into the new root")
	}
	if _, rows := rolledBack(t, migrate.MethodCopy, migrate.ActionSyncBack); rows != `"1\n2\n3\n4\n"` {
		t.Errorf("with sync-back the old root has %s", rows)
	}
	if _, rows := rolledBack(t, migrate.MethodRename, migrate.ActionRollback); rows != `"1\n2\n3\n4\n"` {
		t.Errorf("renamed back it has %s", rows)
	}
}

// A rollback that is killed at any moment can be brought to its end, on the root on which the data is.
func TestRollbackKilledAtEveryRecord(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	for _, c := range []struct {
		method string
		action migrate.Action
	}{{migrate.MethodCopy, migrate.ActionSyncBack}, {migrate.MethodRename, migrate.ActionRollback}, {migrate.MethodCopy, migrate.ActionRollback}} {
		for n := 1; ; n += stride() {
			h := newFakeHost(t, disk)
			before := h.picture()
			p := h.plan()
			p.Options.Method = c.method
			h.begin(t, p)
			must(t, h.worker().Work(t.Context()))
			must(t, migrate.Order(h.state(), c.action, time.Now))
			w := h.worker()
			w.Now, _ = killAt(n)
			if !killed(t, func() error { return w.Work(context.Background()) }) {
				if n < 5 {
					t.Errorf("only %d deaths", n)
				}
				break
			}
			if n%2 == 0 {
				h.reboot()
			}
			must(t, h.worker().Recover(t.Context()))
			s := h.loaded(t)
			if want := map[bool]string{true: h.new(), false: h.old()}[s.OnNewRoot()]; h.root != want || s.Outcome == "" {
				t.Errorf("%v, death %d: the engine is on %s, outcome %s", c, n, h.root, s.Outcome)
			}
			after := h.picture()
			if n%2 == 0 && asAfterReboot(t, disk, after, before) {
				after = before
			}
			if after != before {
				t.Errorf("%v, death %d, outcome %s, before\n%s\nafter\n%s", c, n, s.Outcome, before, after)
			}
		}
	}
}
