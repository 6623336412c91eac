package service

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/systemd"
)

// fakeManager keeps units in memory and notes what it is told.
type fakeManager struct {
	units map[string]*systemd.Unit
	calls []string
	fail  map[string]error // of waiting for "start docker.service"
	lines []systemd.Line
	after func(call string) // what else happens after a job
}

func newFake() *fakeManager {
	return &fakeManager{fail: map[string]error{}, after: func(string) {}, units: map[string]*systemd.Unit{
		"docker.service": {Load: "loaded", Active: "active", Sub: "running", File: "enabled", Result: "success",
			TriggeredBy: []string{"docker.socket", "docker.timer"}, MainPID: 0,
			Exec: [][]string{{"/usr/bin/dockerd-fake", "-H", "fd://"}}},
		"docker.socket": {Load: "loaded", Active: "active", Sub: "running", File: "enabled", Result: "success",
			Listen: []string{"/run/fake.sock"}},
	}}
}

func (f *fakeManager) Unit(_ context.Context, name string) (systemd.Unit, error) {
	u, ok := f.units[name]
	if !ok {
		return systemd.Unit{Name: name, Load: "not-found", Active: "inactive", Sub: "dead"}, nil
	}
	u.Name = name
	return *u, nil
}

func (f *fakeManager) Begin(_ context.Context, verb systemd.Verb, unit string) (func(context.Context) error, error) {
	call := string(verb) + " " + unit
	f.calls = append(f.calls, call)
	return func(context.Context) error {
		f.calls = append(f.calls, "wait "+call)
		if err := f.fail[call]; err != nil {
			return err
		}
		f.units[unit].Active = "active"
		if verb == systemd.Stop {
			f.units[unit].Active = "inactive"
		}
		f.after(call)
		return nil
	}, nil
}

func (f *fakeManager) ResetFailed(_ context.Context, unit string) error {
	f.calls = append(f.calls, "reset "+unit)
	return nil
}

func (f *fakeManager) Enable(_ context.Context, units ...string) error {
	f.calls = append(f.calls, "enable "+strings.Join(units, " "))
	return nil
}

func (f *fakeManager) Disable(_ context.Context, units ...string) error {
	f.calls = append(f.calls, "disable "+strings.Join(units, " "))
	return nil
}

func (f *fakeManager) Journal(context.Context, time.Time, int, ...string) ([]systemd.Line, error) {
	return f.lines, nil
}

func (f *fakeManager) set(active string) *fakeManager {
	for _, u := range f.units {
		u.Active = active
	}
	return f
}

func (f *fakeManager) called(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(f.calls, want) {
		t.Errorf("told to %q, want %q", f.calls, want)
	}
}

func find(t *testing.T, f *fakeManager) *Service {
	t.Helper()
	usual := Usual{ConfigFile: t.TempDir() + "/daemon.json", DataRoot: "/usual", Socket: "/usual.sock"}
	s, err := Find(t.Context(), f, usual, time.Now, "absent.service", "docker.service")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
