package guard

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soon is what "within seconds" means here, on a machine that is busy with other tests.
const soon = time.Minute

// group is an app and its database, with one container that is paused already and one that
// does not run.
func group() ([]State, []Target) {
	app, db, paused, stopped := running("app", "db"), running("db"), running("paused"), running("stopped")
	paused.Paused, stopped.Running = true, false
	states := []State{app, db, paused, stopped}
	return states, targetsOf(states)
}

func targetsOf(states []State) []Target {
	var targets []Target
	for _, s := range states {
		targets = append(targets, s.Target)
	}
	return targets
}

// Whatever kills the owner, its guard undoes what it did, and only that.
func TestGuardUndoesWhenTheOwnerIsKilled(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		for name, kill := range map[string]func(*owner){"process": (*owner).kill, "group": (*owner).killGroup} {
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				states, targets := group()
				f := newFakeEngine(t, states...)
				o := frozenOwner(t, ownerPlan{Endpoint: f.sock, Mode: mode, Targets: targets})
				if f.is("app") == "running" || f.is("db") == "running" {
					t.Fatal("not frozen")
				}
				kill(o)
				eventually(t, soon, "app and db run again", func() bool {
					return f.is("app") == "running" && f.is("db") == "running"
				})
				eventually(t, soon, "journal removed", func() bool { return empty(t, o.dir) })
				if f.is("paused") != "paused" || f.is("stopped") != "stopped" {
					t.Errorf("touched what was frozen before: %q", f.done())
				}
			})
		}
	}
}

// Containers stop dependents first and start dependencies first.
func TestStopAndStartFollowDependencies(t *testing.T) {
	states, targets := group()
	f := newFakeEngine(t, states...)
	o := frozenOwner(t, ownerPlan{Endpoint: f.sock, Mode: Stop, Targets: targets})
	o.kill()
	eventually(t, soon, "journal removed", func() bool { return empty(t, o.dir) })
	if got, want := f.done(), []string{"stop app", "stop db", "start db", "start app"}; !slices.Equal(got, want) {
		t.Errorf("deeds %q, want %q", got, want)
	}
}

// No deed is done before it is in the journal and a guard waits.
func TestDeedsAreJournalledFirst(t *testing.T) {
	states, targets := group()
	f := newFakeEngine(t, states...)
	dir := t.TempDir()
	var mu sync.Mutex
	var early []string
	f.hook = func(verb, name string) {
		mu.Lock()
		defer mu.Unlock()
		b, _ := os.ReadFile(filepath.Join(dir, "run1"+suffix))
		guard, deed := strings.Index(string(b), `"op":"guard"`), strings.Index(string(b), `"id":"id-`+name+`"`)
		if guard < 0 || deed < guard {
			early = append(early, verb+" "+name)
		}
	}
	o := frozenOwner(t, ownerPlan{Endpoint: f.sock, StateDir: dir, Mode: Stop, Targets: targets})
	if held := o.thaw(); !held.Consistent() {
		t.Errorf("held %+v", held)
	}
	mu.Lock()
	defer mu.Unlock()
	if early != nil {
		t.Errorf("not journalled first: %q", early)
	}
}

// A request that was under way when the owner died takes effect later, and is undone then.
func TestGuardWaitsForRequestsUnderWay(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run(string(mode), func(t *testing.T) {
			f := newFakeEngine(t, running("app"))
			f.delay[string(mode)] = time.Second
			sent := make(chan struct{})
			f.hook = func(verb, _ string) {
				if verb == string(mode) {
					close(sent)
				}
			}
			o := startOwner(t, ownerPlan{Endpoint: f.sock, Mode: mode,
				Targets: targetsOf([]State{running("app")})})
			<-sent
			o.kill()
			undo := map[Mode]string{Pause: "unpause app", Stop: "start app"}[mode]
			eventually(t, time.Second+soon, "undone", func() bool {
				return slices.Equal(f.done(), []string{string(mode) + " app", undo})
			})
		})
	}
}

// An engine that is away for a while is tried until it is back.
func TestGuardOutlastsTheEngine(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run(string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			o := frozenOwner(t, ownerPlan{Endpoint: f.sock, Mode: mode, Targets: targets})
			f.hangUp()
			o.kill()
			eventually(t, soon, "guard at work", func() bool { return journalLocked(t, o.dir) })
			away := time.NewTimer(1500 * time.Millisecond)
			<-away.C
			f.listen()
			eventually(t, longestDelay+soon, "running again", func() bool {
				return f.is("app") == "running" && f.is("db") == "running"
			})
			eventually(t, soon, "journal removed", func() bool { return empty(t, o.dir) })
		})
	}
}

// journalLocked tells whether somebody holds run1's journal.
func journalLocked(t *testing.T, dir string) bool {
	t.Helper()
	j, err := openJournal(filepath.Join(dir, "run1"+suffix), time.Now)
	must(t, err)
	defer j.close()
	ok, err := takeLock(j.f)
	must(t, err)
	return !ok
}

// With owner and guard both dead, Recover undoes, once.
func TestRecoverAfterOwnerAndGuardDied(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run(string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			o := frozenOwner(t, ownerPlan{Endpoint: f.sock, Mode: mode, Targets: targets})
			must(t, unix.Kill(o.guardPID(), unix.SIGKILL))
			o.kill()
			eventually(t, soon, "nobody holds the journal", func() bool { return !journalLocked(t, o.dir) })
			if f.is("app") == "running" {
				t.Fatal("app runs although nobody undid anything")
			}
			undone, err := Recover(context.Background(), o.dir, dialFake)
			must(t, err)
			names := map[string]Outcome{}
			for _, u := range undone {
				names[u.Name] = u.Outcome
				if u.Run != "run1" || u.Mode != mode {
					t.Errorf("undone %+v", u)
				}
			}
			want := map[Mode]Outcome{Pause: Unpaused, Stop: Started}[mode]
			if len(names) != 2 || names["app"] != want || names["db"] != want {
				t.Errorf("undone %v, want app and db %s", names, want)
			}
			if f.is("app") != "running" || f.is("paused") != "paused" || f.is("stopped") != "stopped" {
				t.Errorf("wrong state after %q", f.done())
			}
			before := f.done()
			undone, err = Recover(context.Background(), o.dir, dialFake)
			must(t, err)
			if len(undone) > 0 || !slices.Equal(before, f.done()) || !empty(t, o.dir) {
				t.Errorf("second Recover undid %v: %q", undone, f.done())
			}
		})
	}
}

// An owner that hangs does not keep containers frozen, and learns of it when it wakes up.
func TestGuardEndsAFreezeThatLastsTooLong(t *testing.T) {
	for _, mode := range []Mode{Pause, Stop} {
		t.Run(string(mode), func(t *testing.T) {
			states, targets := group()
			f := newFakeEngine(t, states...)
			o := frozenOwner(t, ownerPlan{Endpoint: f.sock, MaxHold: 500 * time.Millisecond,
				Mode: mode, Targets: targets})
			must(t, o.cmd.Process.Signal(unix.SIGSTOP))
			eventually(t, soon, "app and db run again", func() bool {
				return f.is("app") == "running" && f.is("db") == "running"
			})
			// What somebody else does after that is not the owner's to undo.
			if mode == Pause {
				eventually(t, soon, "undone is journalled", func() bool { return count(t, o.dir, opUndone) == 2 })
				f.edit(func(c map[string]*State) { c["id-app"].Paused = true })
			}
			must(t, o.cmd.Process.Signal(unix.SIGCONT))
			if held := o.thaw(); !held.Expired || held.Consistent() {
				t.Errorf("held %+v, want expired", held)
			}
			if mode == Pause && f.is("app") != "paused" {
				t.Error("unpaused what somebody else had paused")
			}
		})
	}
}

// count counts the records of one kind in run1's journal.
func count(t *testing.T, dir string, o op) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "run1"+suffix))
	must(t, err)
	return strings.Count(string(b), `"op":"`+string(o)+`"`)
}

// Within its limit a freeze is the owner's alone.
func TestGuardLeavesALivingOwnerAlone(t *testing.T) {
	states, targets := group()
	f := newFakeEngine(t, states...)
	o := frozenOwner(t, ownerPlan{Endpoint: f.sock, MaxHold: time.Hour, Mode: Pause, Targets: targets})
	undone, err := Recover(context.Background(), o.dir, dialFake)
	must(t, err)
	wait := time.NewTimer(3 * lookEvery)
	<-wait.C
	if len(undone) > 0 || f.is("app") != "paused" {
		t.Fatalf("undone %v under a living owner; app is %s", undone, f.is("app"))
	}
	if held := o.thaw(); !held.Consistent() || held.Duration <= 0 || held.Duration > time.Minute {
		t.Errorf("held %+v", held)
	}
	if f.is("app") != "running" || f.is("paused") != "paused" {
		t.Errorf("after thaw app is %s, paused is %s", f.is("app"), f.is("paused"))
	}
}
