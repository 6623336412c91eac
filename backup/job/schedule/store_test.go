package schedule

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type fakeManager struct{ calls []string }

func (f *fakeManager) call(name string, units ...string) error {
	f.calls = append(f.calls, strings.TrimSpace(name+" "+strings.Join(units, " ")))
	return nil
}
func (f *fakeManager) Enable(_ context.Context, units ...string) error {
	return f.call("enable", units...)
}
func (f *fakeManager) Disable(_ context.Context, units ...string) error {
	return f.call("disable", units...)
}
func (f *fakeManager) StartTimer(_ context.Context, unit string) error { return f.call("start", unit) }
func (f *fakeManager) StopTimer(_ context.Context, unit string) error  { return f.call("stop", unit) }
func (f *fakeManager) ReadFiles(context.Context) error                 { return f.call("reload") }
func (f *fakeManager) Timer(context.Context, string) (next, last time.Time, err error) {
	return time.Unix(9, 0), time.Unix(5, 0), nil
}

func entry(t *testing.T, times ...string) *Entry {
	t.Helper()
	p, err := At(times...)
	if err != nil {
		t.Fatal(err)
	}
	return &Entry{
		Job: "nightly", Plan: p, Jitter: 5 * time.Minute, Program: "/opt/my davit/100%/davit", ConfigFile: "/etc/davit/config.yaml",
		StateDir: "/var/lib/davit", CacheDir: t.TempDir() + "/cache",
		Writes: []string{"/srv/back up"}, Env: []string{"DOCKER_HOST=unix:///run/d.sock"},
	}
}

// A timer comes and goes with its units; what somebody else made stays.
func TestTimers(t *testing.T) {
	m := &fakeManager{}
	s := &Store{Manager: m, UnitDir: t.TempDir(), CronDir: t.TempDir()}
	if err := s.Install(t.Context(), entry(t, "03:10")); err != nil {
		t.Fatal(err)
	}
	e := entry(t, "04:10", "16:10")
	if err := s.Install(t.Context(), e); err != nil { // instead of the first
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Job != "nightly" || list[0].Kind != "timer" || !list[0].Next.Equal(time.Unix(9, 0)) ||
		!slices.Equal(list[0].When, []string{"*-*-* 04:10:00", "*-*-* 16:10:00"}) {
		t.Errorf("%+v, %v", list, err)
	}
	unit, err := os.ReadFile(filepath.Join(s.UnitDir, "davit-backup-nightly.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ExecStart="/opt/my davit/100%%/davit" backup run --verbose --config-file /etc/davit/config.yaml nightly`,
		`ReadWritePaths=-"/srv/back up"`, "StateDirectory=davit", "StateDirectoryMode=0700", "ReadWritePaths=-" + e.CacheDir, "ProtectSystem=strict", "Environment=DOCKER_HOST=unix:///run/d.sock",
	} {
		if !strings.Contains(string(unit), want+"\n") {
			t.Errorf("no %s in %s", want, unit)
		}
	}
	if _, err := os.Stat(e.CacheDir); err != nil {
		t.Error("a folder that the run may write to is not there, so it could not even make it")
	}
	if err := s.Remove(t.Context(), "nightly", false); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.UnitDir, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	want := []string{"stop davit-backup-nightly.timer", "disable davit-backup-nightly.timer", "reload"}
	if got := m.calls[len(m.calls)-3:]; !slices.Equal(got, want) {
		t.Errorf("calls were %q", got)
	}
	if err := s.Remove(t.Context(), "nightly", false); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("error is %v", err)
	}
	if _, err := s.Show(t.Context(), "../../etc/x", false); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("error is %v", err)
	}
	other := filepath.Join(s.UnitDir, "davit-backup-nightly.timer")
	if err := os.WriteFile(other, []byte("[Timer]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Install(t.Context(), entry(t, "03:10")); err == nil {
		t.Error("somebody else's file was replaced")
	}
	if err := s.Remove(t.Context(), "nightly", false); err == nil {
		t.Error("somebody else's file was removed")
	}
}

// Without systemd it is a file for cron, and what is next is counted by ourselves.
func TestCronFile(t *testing.T) {
	s := &Store{UnitDir: t.TempDir(), CronDir: t.TempDir()}
	if err := s.Install(t.Context(), entry(t, "03:10")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(s.CronDir, "davit-backup-nightly"))
	if err != nil {
		t.Fatal(err)
	}
	want := `10 3 * * * root '/opt/my davit/100\%/davit' backup run --config-file /etc/davit/config.yaml nightly`
	if !strings.HasSuffix(string(data), want+"\n") || !strings.Contains(string(data), "DOCKER_HOST=\"unix:///run/d.sock\"\n") {
		t.Errorf("the file is %s", data)
	}
	in, err := s.Show(t.Context(), "nightly", false)
	if err != nil || in.Kind != "cron" || !slices.Equal(in.When, []string{"10 3 * * *"}) {
		t.Fatalf("%+v, %v", in, err)
	}
	in.NextAfter(time.Date(2026, 1, 1, 4, 0, 0, 0, time.UTC))
	if !in.Next.Equal(time.Date(2026, 1, 2, 3, 10, 0, 0, time.UTC)) {
		t.Errorf("next is %v", in.Next)
	}
	if err := s.Remove(t.Context(), "nightly", false); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	s.CronDir += "/none"
	if err := s.Install(t.Context(), entry(t, "03:10")); err == nil || !strings.Contains(err.Error(), "cron is not installed") {
		t.Errorf("error is %v", err)
	}
}

// Drills of a job have a schedule of their own beside that of its runs, may write where the engine keeps volumes, and are
// listed and removed apart.
func TestDrillSchedule(t *testing.T) {
	s := &Store{CronDir: t.TempDir(), UnitDir: t.TempDir()}
	runs, drills := entry(t, "03:10"), entry(t, "05:00")
	drills.Drill, drills.Restores = true, true
	for _, e := range []*Entry{runs, drills} {
		if err := s.Install(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Drill || !list[1].Drill {
		t.Fatalf("%v: %+v", err, list)
	}
	if !strings.Contains(drills.CronFile(), " backup drill --yes --config-file /etc/davit/config.yaml --job nightly\n") {
		t.Error(drills.CronFile())
	}
	for _, want := range []string{"ProtectSystem=full\n", " CAP_MKNOD", "backup drill --yes", "man:davit-backup-drill(1)"} {
		if !strings.Contains(drills.Service(), want) || strings.Contains(runs.Service(), want) {
			t.Errorf("%q is not only in the drill's service:\n%s", want, drills.Service())
		}
	}
	if err := s.Remove(t.Context(), "nightly", true); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 1 || list[0].Drill {
		t.Errorf("%v: %+v", err, list)
	}
}
