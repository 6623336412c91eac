package guard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newGuard makes a guard whose process is this test binary.
func newGuard(t *testing.T, f *fakeEngine, o Options) (*Guard, Engine) {
	t.Helper()
	o.RunID = "run1"
	if o.StateDir == "" {
		o.StateDir = t.TempDir()
	}
	if o.Endpoint == "" {
		o.Endpoint = f.sock
	}
	g, err := New(o)
	must(t, err)
	t.Cleanup(func() { _ = g.Close() })
	eng, err := dialFake(t.Context(), f.sock)
	must(t, err)
	return g, eng
}

// A freeze and a thaw leave everything as it was, and no process and no file behind.
func TestFreezeAndThaw(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run(string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			g, eng := newGuard(t, f, Options{})
			frozen, err := g.Freeze(t.Context(), eng, targets, mode)
			must(t, err)
			if got := frozen.Names(); f.is("app") == "running" || f.is("db") == "running" || len(got) != 2 {
				t.Errorf("frozen %q, app is %s", got, f.is("app"))
			}
			held, err := frozen.Thaw(t.Context())
			must(t, err)
			if !held.Consistent() || held.Duration <= 0 {
				t.Errorf("held %+v", held)
			}
			again, err := frozen.Thaw(t.Context())
			if err != nil || !reflect.DeepEqual(held, again) {
				t.Errorf("second thaw: %+v, %v", again, err)
			}
			for name, want := range map[string]string{"app": "running", "db": "running", "paused": "paused", "stopped": "stopped"} {
				if got := f.is(name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			must(t, g.Close())
			if g.proc.alive() || !empty(t, g.o.StateDir) {
				t.Error("the guard or its files outlived Close")
			}
		})
	}
}

// What may not be frozen is refused by name before anything is touched.
func TestFreezeRefuses(t *testing.T) {
	rm, task, loop := running("rm"), running("task"), running("loop")
	rm.AutoRemove, task.Swarm, loop.Restarting = true, true, true
	var autoRemove *AutoRemoveError
	var swarm *SwarmError
	var restarting *RestartingError
	for _, c := range []struct {
		state  State
		mode   Mode
		allow  bool
		target any // nil: not refused
	}{
		{rm, Stop, false, &autoRemove},
		{rm, Stop, true, nil},
		{rm, Pause, false, nil},
		{task, Stop, true, &swarm},
		{task, Pause, false, nil},
		{loop, Pause, false, &restarting},
		{loop, Stop, false, nil},
	} {
		t.Run(c.state.Name+"/"+string(c.mode), func(t *testing.T) {
			f := newFakeEngine(t, running("app"), c.state)
			g, eng := newGuard(t, f, Options{AllowRMLoss: c.allow})
			frozen, err := g.Freeze(t.Context(), eng, targetsOf([]State{running("app"), c.state}), c.mode)
			if c.target == nil {
				must(t, err)
				_, err = frozen.Thaw(t.Context())
				must(t, err)
				return
			}
			if !errors.As(err, c.target) || !strings.Contains(err.Error(), c.state.Name) {
				t.Errorf("error %v, want %T with the name", err, c.target)
			}
			if len(f.done()) > 0 || !empty(t, g.o.StateDir) {
				t.Errorf("did %q and wrote files", f.done())
			}
		})
	}
}

// When one container cannot be frozen, or the caller gives up, none stays frozen.
func TestFreezeUndoesOnFailure(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run("refused/"+string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			f.fail[string(mode)] = map[string]bool{"db": true}
			g, eng := newGuard(t, f, Options{})
			if _, err := g.Freeze(t.Context(), eng, targets, mode); err == nil || !strings.Contains(err.Error(), "db") {
				t.Errorf("error %v, want one about db", err)
			}
			if f.is("app") != "running" || f.is("db") != "running" || f.is("paused") != "paused" {
				t.Errorf("not undone: %q", f.done())
			}
		})
		t.Run("cancelled/"+string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			g, eng := newGuard(t, f, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			f.hook = func(verb, _ string) {
				if verb == string(mode) {
					cancel()
				}
			}
			if _, err := g.Freeze(ctx, eng, targets, mode); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want cancelled", err)
			}
			if len(f.done()) == 0 || f.is("app") != "running" || f.is("db") != "running" {
				t.Errorf("not undone: %q", f.done())
			}
		})
	}
}

// Without a guard that can reach the engine nothing is frozen.
func TestFreezeNeedsAGuardThatReachesTheEngine(t *testing.T) {
	states, targets := group()
	f := newFakeEngine(t, states...)
	g, eng := newGuard(t, f, Options{Endpoint: f.sock + "-not-there"})
	_, err := g.Freeze(t.Context(), eng, targets, Pause)
	if err == nil || !strings.Contains(err.Error(), "cannot reach the engine") {
		t.Errorf("error %v, want that the guard cannot reach the engine", err)
	}
	if len(f.done()) > 0 {
		t.Errorf("did %q", f.done())
	}
}

// A guard that was killed is replaced before the next freeze.
func TestFreezeReplacesADeadGuard(t *testing.T) {
	f := newFakeEngine(t, running("app"))
	g, eng := newGuard(t, f, Options{})
	targets := targetsOf([]State{running("app")})
	frozen, err := g.Freeze(t.Context(), eng, targets, Pause)
	must(t, err)
	o := owner{t: t, dir: g.o.StateDir}
	first := o.guardPID()
	must(t, unix.Kill(first, unix.SIGKILL))
	eventually(t, soon, "owner notices", func() bool { return !g.proc.alive() })
	_, err = frozen.Thaw(t.Context())
	must(t, err)
	frozen, err = g.Freeze(t.Context(), eng, targets, Pause)
	must(t, err)
	if o.guardPID() == first || !g.proc.alive() {
		t.Error("no new guard")
	}
	_, err = frozen.Thaw(t.Context())
	must(t, err)
}

// The owner learns when others disturbed the freeze, and does not touch what they did.
func TestThawTellsWhoWasDisturbed(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Mode
		edit func(c map[string]*State)
		want string // the disturbed container
		is   string // and its state after the thaw
	}{
		{"unpaused", Pause, func(c map[string]*State) { c["id-app"].Paused = false }, "app", "running"},
		{"stopped", Pause, func(c map[string]*State) { apply(c["id-app"], "stop") }, "app", "stopped"},
		{"removed", Pause, func(c map[string]*State) { delete(c, "id-app") }, "app", "gone"},
		{"started", Stop, func(c map[string]*State) { apply(c["id-app"], "start") }, "app", "running"},
		{"ran and stopped", Stop, func(c map[string]*State) { apply(c["id-app"], "start"); apply(c["id-app"], "stop") }, "app", "stopped"},
		{"removed", Stop, func(c map[string]*State) { delete(c, "id-app") }, "app", "gone"},
		{"idle thawed", Pause, func(c map[string]*State) { c["id-paused"].Paused = false }, "paused", "running"},
		{"idle started", Stop, func(c map[string]*State) { apply(c["id-stopped"], "start") }, "stopped", "running"},
	} {
		t.Run(c.name+"/"+string(c.mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			g, eng := newGuard(t, f, Options{})
			frozen, err := g.Freeze(t.Context(), eng, targets, c.mode)
			must(t, err)
			f.edit(c.edit)
			held, err := frozen.Thaw(t.Context())
			must(t, err)
			if !slices.Equal(held.Disturbed, []string{c.want}) || held.Consistent() {
				t.Errorf("disturbed %q, want %s", held.Disturbed, c.want)
			}
			if f.is(c.want) != c.is || f.is("db") != "running" {
				t.Errorf("%s is %s, want %s; db is %s", c.want, f.is(c.want), c.is, f.is("db"))
			}
		})
	}
}

// A container that somebody else pauses just before us stays theirs.
func TestFreezeLeavesAPauseOfSomebodyElse(t *testing.T) {
	f := newFakeEngine(t, running("app"), running("db"))
	g, eng := newGuard(t, f, Options{})
	f.hook = func(verb, name string) {
		if verb == "pause" && name == "app" {
			f.edit(func(c map[string]*State) { c["id-app"].Paused = true })
		}
	}
	frozen, err := g.Freeze(t.Context(), eng, targetsOf([]State{running("app"), running("db")}), Pause)
	must(t, err)
	held, err := frozen.Thaw(t.Context())
	must(t, err)
	if !held.Consistent() || f.is("app") != "paused" || f.is("db") != "running" {
		t.Errorf("held %+v, app is %s, db is %s", held, f.is("app"), f.is("db"))
	}
}

// A thaw that the engine does not allow is left to the guard, which goes on after Close.
func TestGuardGoesOnAfterClose(t *testing.T) {
	f := newFakeEngine(t, running("app"))
	g, eng := newGuard(t, f, Options{})
	_, err := g.Freeze(t.Context(), eng, targetsOf([]State{running("app")}), Pause)
	must(t, err)
	if err := g.Close(); err == nil || !strings.Contains(err.Error(), "still frozen") {
		t.Errorf("Close of a frozen guard: %v", err)
	}
	eventually(t, soon, "app runs again", func() bool { return f.is("app") == "running" })
	eventually(t, soon, "journal removed", func() bool { return empty(t, g.o.StateDir) })
}

// A run id becomes a file name and a unit's name, and nothing else.
func TestNewRefusesBadRunIDs(t *testing.T) {
	for _, id := range []string{"", "../x", "a/b", "-x", ".x", "a b", strings.Repeat("x", 101)} {
		if _, err := New(Options{RunID: id, StateDir: t.TempDir()}); err == nil {
			t.Errorf("run id %q was taken", id)
		}
	}
}

// Journals hold container names: nobody but the owner may read them.
func TestStateIsPrivate(t *testing.T) {
	f := newFakeEngine(t, running("app"))
	dir := filepath.Join(t.TempDir(), "a", "b")
	g, eng := newGuard(t, f, Options{StateDir: dir})
	frozen, err := g.Freeze(t.Context(), eng, targetsOf([]State{running("app")}), Pause)
	must(t, err)
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "run1"+suffix): 0o600} {
		fi, err := os.Stat(path)
		must(t, err)
		if fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, fi.Mode().Perm(), want)
		}
	}
	_, err = frozen.Thaw(context.WithoutCancel(t.Context()))
	must(t, err)
	if held := frozen.held.Duration; held > time.Minute {
		t.Errorf("held %v", held)
	}
}
