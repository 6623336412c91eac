package guard

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deadJournal writes the journal of a run that is over, as lines.
func deadJournal(t *testing.T, f *fakeEngine, boot string, records ...record) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if boot == "" {
		var err error
		boot, err = bootID()
		must(t, err)
	}
	head := record{Op: opOpen, Endpoint: f.sock, Process: &Process{PID: 1, Start: "1", Boot: boot}}
	var lines []string
	for _, r := range append([]record{head}, records...) {
		r.V, r.Time = version, time.Now().Add(-time.Hour)
		b, err := json.Marshal(r)
		must(t, err)
		lines = append(lines, string(b)+"\n")
	}
	must(t, os.WriteFile(filepath.Join(dir, "run1"+suffix), []byte(strings.Join(lines, "")), 0o600))
	return dir
}

func intend(seq int, mode Mode, s State) record {
	return record{Op: opIntend, Seq: seq, Mode: mode, Target: &s.Target, StartedAt: s.StartedAt}
}

func did(seq int, s State) record { return record{Op: opDid, Seq: seq, StartedAt: s.StartedAt} }

// frozenState is a container as a run that died left it.
func frozenState(mode Mode, name string) State {
	s := running(name)
	apply(&s, string(mode))
	return s
}

// Recover goes by what the container is now, whatever happened to it since.
func TestRecoverLooksBeforeItActs(t *testing.T) {
	const otherBoot = "00000000-0000-0000-0000-000000000000"
	for _, c := range []struct {
		name    string
		mode    Mode
		certain bool
		boot    string
		edit    func(c map[string]*State)
		outcome Outcome
		is      string
	}{
		{"paused", Pause, true, "", nil, Unpaused, "running"},
		{"paused, unconfirmed", Pause, false, "", nil, Unpaused, "running"},
		{"never paused", Pause, false, "", func(c map[string]*State) { c["id-app"].Paused = false }, Undid, "running"},
		{"thawed by a user", Pause, true, "", func(c map[string]*State) { c["id-app"].Paused = false }, Changed, "running"},
		{"restarted and paused by a user", Pause, true, "", func(c map[string]*State) { restart(c["id-app"]); c["id-app"].Paused = true }, Changed, "paused"},
		{"paused by a user after a reboot", Pause, false, otherBoot, func(c map[string]*State) { restart(c["id-app"]); c["id-app"].Paused = true }, Changed, "paused"},
		{"taken down with the engine", Pause, true, "", func(c map[string]*State) { apply(c["id-app"], "stop"); c["id-app"].Restarts = true }, Started, "running"},
		{"taken down without a policy", Pause, true, "", func(c map[string]*State) { apply(c["id-app"], "stop") }, Changed, "stopped"},
		{"taken down by a reboot", Pause, true, otherBoot, func(c map[string]*State) { apply(c["id-app"], "stop"); c["id-app"].Restarts = true }, Changed, "stopped"},
		{"run and stopped by a user", Pause, true, "", func(c map[string]*State) {
			restart(c["id-app"])
			apply(c["id-app"], "stop")
			c["id-app"].Restarts = true
		}, Changed, "stopped"},
		{"removed", Pause, true, "", func(c map[string]*State) { delete(c, "id-app") }, Removed, "gone"},

		{"stopped", Stop, true, "", nil, Started, "running"},
		{"stopped, unconfirmed", Stop, false, "", nil, Started, "running"},
		{"stopped before a reboot", Stop, true, otherBoot, nil, Started, "running"},
		{"never stopped", Stop, false, "", func(c map[string]*State) { c["id-app"].Running = true }, Undid, "running"},
		{"started by a user", Stop, true, "", func(c map[string]*State) { apply(c["id-app"], "start") }, Changed, "running"},
		{"started and stopped by a user", Stop, true, "", func(c map[string]*State) { restart(c["id-app"]); apply(c["id-app"], "stop") }, Changed, "stopped"},
		{"removed", Stop, true, "", func(c map[string]*State) { delete(c, "id-app") }, Removed, "gone"},
		{"recreated, by name", Stop, true, "", func(c map[string]*State) { successor(c, "app") }, Started, "running"},
		{"recreated, by labels", Stop, true, "", func(c map[string]*State) { successor(c, "p-app-1") }, Started, "running"},
		{"recreated and run by a user", Stop, true, "", func(c map[string]*State) { successor(c, "app"); c["id-new"].StartedAt = time.Unix(5000, 0) }, Changed, "stopped"},
	} {
		t.Run(string(c.mode)+"/"+c.name, func(t *testing.T) {
			app := frozenState(c.mode, "app")
			f := newFakeEngine(t, app)
			records := []record{intend(1, c.mode, app)}
			if c.certain {
				records = append(records, did(1, app))
			}
			dir := deadJournal(t, f, c.boot, records...)
			if c.edit != nil {
				f.edit(c.edit)
			}
			undone, err := Recover(t.Context(), dir, dialFake)
			must(t, err)
			if len(undone) != 1 || undone[0].Outcome != c.outcome {
				t.Errorf("undone %+v, want %s", undone, c.outcome)
			}
			is := f.is("app")
			if is == "gone" {
				is = f.is("p-app-1")
			}
			if is != c.is {
				t.Errorf("app is %s, want %s", is, c.is)
			}
			if !empty(t, dir) {
				t.Error("journal stays")
			}
		})
	}
}

func restart(s *State) { apply(s, "stop"); apply(s, "start") }

// successor replaces app by a container that never ran.
func successor(c map[string]*State, name string) {
	s := *c["id-app"]
	delete(c, "id-app")
	s.ID, s.Name, s.StartedAt = "id-new", name, time.Time{}
	c[s.ID] = &s
}

// A journal cut anywhere, as by a power cut, undoes every deed that is whole in it, and a
// deed that is not whole was never done.
func TestRecoverReadsATornJournal(t *testing.T) {
	app, db := frozenState(Pause, "app"), frozenState(Pause, "db")
	f := newFakeEngine(t, app, db)
	dir := deadJournal(t, f, "", intend(1, Pause, app), did(1, app), intend(2, Pause, db))
	path := filepath.Join(dir, "run1"+suffix)
	whole, err := os.ReadFile(path)
	must(t, err)
	first := strings.Index(string(whole), `"op":"did"`) // the line before is complete
	for cut := len(whole); cut >= 0; cut -= 7 {
		f.edit(func(c map[string]*State) { c["id-app"].Paused, c["id-db"].Paused = true, true })
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		undone, err := Recover(t.Context(), dir, dialFake)
		must(t, err)
		want := map[bool]string{true: "running", false: "paused"}
		if cut >= first && f.is("app") != want[true] || f.is("db") != want[cut == len(whole)] {
			t.Fatalf("cut at %d of %d: app is %s, db is %s, undone %+v", cut, len(whole), f.is("app"), f.is("db"), undone)
		}
	}
}

// Appending to a torn journal does not lose the new record in the old half line.
func TestAppendAfterATornLine(t *testing.T) {
	app := frozenState(Pause, "app")
	f := newFakeEngine(t, app)
	dir := deadJournal(t, f, "", intend(1, Pause, app))
	path := filepath.Join(dir, "run1"+suffix)
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append(whole, `{"v":1,"op":"did","se`...), 0o600))
	j, err := openJournal(path, time.Now)
	must(t, err)
	defer j.close()
	must(t, j.append(true, record{Op: opUndone, Seq: 1}))
	l := tail{j: j}
	must(t, l.read())
	if l.damaged != 1 || len(l.deeds) != 1 || !l.deeds[0].undone {
		t.Errorf("damaged %d, deeds %+v", l.damaged, l.deeds)
	}
}

// What cannot be undone now stays in the journal, and does not keep the rest from it.
func TestRecoverGoesOnAfterAFailure(t *testing.T) {
	app, db := frozenState(Pause, "app"), frozenState(Pause, "db")
	f := newFakeEngine(t, app, db)
	f.fail["unpause"] = map[string]bool{"db": true}
	dir := deadJournal(t, f, "", intend(1, Pause, app), did(1, app), intend(2, Pause, db), did(2, db))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tries := 0
	f.no = func() {
		if tries++; tries > 1 {
			cancel()
		}
	}
	undone, err := Recover(ctx, dir, dialFake)
	if err == nil || !strings.Contains(err.Error(), "db") || len(undone) != 1 || undone[0].Name != "app" {
		t.Fatalf("undone %+v, %v", undone, err)
	}
	f.edit(func(map[string]*State) { f.fail["unpause"] = nil })
	undone, err = Recover(t.Context(), dir, dialFake)
	if err != nil || len(undone) != 1 || undone[0].Name != "db" || f.is("db") != "running" || !empty(t, dir) {
		t.Errorf("second time: undone %+v, %v", undone, err)
	}
}

// An engine that is not there keeps the journal; so does one of a newer davit.
func TestRecoverKeepsWhatItCannotRead(t *testing.T) {
	app := frozenState(Pause, "app")
	f := newFakeEngine(t, app)
	dir := deadJournal(t, f, "", intend(1, Pause, app))
	f.hangUp()
	if _, err := Recover(t.Context(), dir, dialFake); err == nil || empty(t, dir) {
		t.Errorf("without an engine: %v", err)
	}
	path := filepath.Join(dir, "run1"+suffix)
	must(t, os.WriteFile(path, []byte(`{"v":2,"op":"open"}`+"\n"), 0o600))
	var newer *NewerJournalError
	if _, err := Recover(t.Context(), dir, dialFake); !errors.As(err, &newer) || newer.Version != 2 || empty(t, dir) {
		t.Errorf("newer journal: %v", err)
	}
}

// Nothing to do is no error.
func TestRecoverWithoutAStateFolder(t *testing.T) {
	undone, err := Recover(t.Context(), filepath.Join(t.TempDir(), "none"), dialFake)
	if err != nil || len(undone) > 0 {
		t.Errorf("undone %v, %v", undone, err)
	}
}

// Levels: dependents stop before what they depend on.
func TestStopOrder(t *testing.T) {
	c := func(name, project string, needs ...string) Target {
		return Target{ID: "id-" + name, Name: name, Project: project, Service: name, DependsOn: needs}
	}
	for name, test := range map[string]struct {
		in   []Target
		want string
	}{
		"none":            {nil, ""},
		"alone":           {[]Target{c("a", ""), c("b", "")}, "a b"},
		"chain":           {[]Target{c("db", "p"), c("app", "p", "db"), c("web", "p", "app")}, "web|app|db"},
		"diamond":         {[]Target{c("db", "p"), c("x", "p", "db"), c("y", "p", "db"), c("w", "p", "x", "y")}, "w|x y|db"},
		"other project":   {[]Target{c("db", "q"), c("app", "p", "db-service")}, "db app"},
		"by container id": {[]Target{c("vpn", ""), c("app", "", "id-vpn")}, "app|vpn"},
		"circle":          {[]Target{c("a", "p", "b"), c("b", "p", "a"), c("w", "p", "a")}, "w|a b"},
		"not listed":      {[]Target{c("app", "p", "db")}, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			var levels []string
			for _, level := range StopOrder(test.in) {
				var names []string
				for _, c := range level {
					names = append(names, c.Name)
				}
				levels = append(levels, strings.Join(names, " "))
			}
			if got := strings.Join(levels, "|"); got != test.want {
				t.Errorf("order %q, want %q", got, test.want)
			}
		})
	}
}

// A process is known by more than its number.
func TestSelf(t *testing.T) {
	p, err := self()
	must(t, err)
	if p.PID != os.Getpid() || p.Start == "" || p.Start == "0" || len(p.Boot) != 36 {
		t.Errorf("self %+v", p)
	}
	q, err := self()
	if err != nil || p != q {
		t.Errorf("self changes: %+v, %+v", p, q)
	}
}

// Left names what is frozen and undoes nothing; a run whose owner or guard lives has left nothing.
func TestLeft(t *testing.T) {
	s := frozenState(Pause, "app")
	f := newFakeEngine(t, s)
	dir := deadJournal(t, f, "", intend(1, Pause, running("app")), did(1, s))
	names, err := Left(dir)
	must(t, err)
	if len(names) != 1 || names[0] != "app" {
		t.Errorf("left: %v", names)
	}
	if !f.c["id-app"].Paused || empty(t, dir) {
		t.Error("looking has undone something")
	}
	alive, err := openJournal(filepath.Join(dir, "run1"+suffix), time.Now)
	must(t, err)
	if ok, err := takeLock(alive.f); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if names, err := Left(dir); err != nil || len(names) != 0 {
		t.Errorf("of a run that lives: %v, %v", names, err)
	}
	must(t, alive.close())
	if names, err := Left(filepath.Join(dir, "none")); err != nil || names != nil {
		t.Errorf("without a folder: %v, %v", names, err)
	}
}
