//go:build linux

package initscript

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/systemd"
)

// site is the root of a host with one script, which starts a process that is called dockerd, as start-stop-daemon would.
func site(t *testing.T) (*Manager, string) {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{
		"etc/init.d/docker": `#!/bin/sh
pid=ROOT/run/docker.pid
case $1 in
	start)
		ln -sf "$(command -v sleep)" ROOT/dockerd
		setsid ROOT/dockerd 1000 &
		echo $! > $pid
		echo "time=\"2026-01-02T03:04:05.5Z\" level=info msg=\"started $PWD, $HOME\"" >> ROOT/var/log/docker.log
		;;
	stop) kill "$(cat $pid)" && rm $pid ;;
	status)
		[ -e $pid ] || exit 3
		kill -0 "$(cat $pid)" || exit 1
		;;
	*) echo Usage: never; exit 2 ;;
esac
`, "run/initctl": "", "var/log/docker.log": "before\n"} {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "ROOT", root)), 0o755))
	}
	must(t, os.Symlink("/proc", filepath.Join(root, "proc")))
	m, ok := Find(root)
	if !ok {
		t.Fatal("the host is not recognized")
	}
	t.Cleanup(func() { _ = exec.Command(filepath.Join(root, "etc/init.d/docker"), "stop").Run() }) // it may be stopped
	return m, root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func unit(t *testing.T, m *Manager) systemd.Unit {
	t.Helper()
	u, err := m.Unit(t.Context(), "docker")
	must(t, err)
	return u
}

func do(t *testing.T, m *Manager, verb systemd.Verb) error {
	t.Helper()
	wait, err := m.Begin(t.Context(), verb, "docker")
	if err != nil {
		return err
	}
	return wait(t.Context())
}

// A service is started and stopped by its script, in a clean environment, and told as systemd would tell it.
func TestScript(t *testing.T) {
	m, root := site(t)
	if u := unit(t, m); !u.Exists() || u.Active != "inactive" || u.Up() || u.MainPID != 0 || u.File != "disabled" {
		t.Errorf("before the start it is %+v", u)
	}
	began := time.Now()
	must(t, do(t, m, systemd.Start))
	u := unit(t, m)
	if u.Active != "active" || u.MainPID == 0 || u.Since.Before(began.Add(-time.Minute)) || u.Since.After(time.Now().Add(time.Minute)) {
		t.Errorf("after the start it is %+v", u)
	}
	lines, err := m.Journal(t.Context(), began, 10, "docker")
	must(t, err)
	want := `time="2026-01-02T03:04:05.5Z" level=info msg="started /, "`
	if len(lines) != 1 || lines[0].Message != want || !lines[0].Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 5e8, time.UTC)) {
		t.Errorf("the start has said %+v", lines)
	}
	if lines, err = m.Journal(t.Context(), time.Time{}, 10, "docker", "other"); err != nil || len(lines) != 2 || lines[0].Message != "before" {
		t.Errorf("the log is %+v, %v", lines, err)
	}
	must(t, do(t, m, systemd.Stop))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/fd/0", u.MainPID)); err == nil {
		t.Error("it is said to have stopped, and runs")
	}
	must(t, os.WriteFile(filepath.Join(root, "run/docker.pid"), []byte("1"), 0o644)) // another process has that number now
	if u := unit(t, m); u.MainPID != 0 {
		t.Errorf("process %d is taken for dockerd", u.MainPID)
	}
}

// What goes wrong is told with the script's own last words; a service that died is a failed one.
func TestScriptFails(t *testing.T) {
	m, root := site(t)
	var job *systemd.JobError
	if err := do(t, m, systemd.Restart); !errors.As(err, &job) || job.Result != "exit code 2: Usage: never" {
		t.Errorf("a verb that the script does not know: %v", err)
	}
	if err := do(t, m, systemd.Reload); err == nil || !strings.Contains(err.Error(), "its process is not known") {
		t.Errorf("a reload of what does not run: %v", err)
	}
	dead := exec.Command("true")
	must(t, dead.Run())
	must(t, os.WriteFile(filepath.Join(root, "run/docker.pid"), fmt.Append(nil, dead.Process.Pid), 0o644))
	if u := unit(t, m); u.Active != "failed" || u.MainPID != 0 {
		t.Errorf("a service that died is %+v", u)
	}
	if u, err := m.Unit(t.Context(), "nothing"); err != nil || u.Exists() {
		t.Errorf("a service without a script is %+v, %v", u, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wait, err := m.Begin(t.Context(), systemd.Start, "docker")
	must(t, err)
	if err := wait(ctx); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("a wait that was given up: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); unit(t, m).Active != "active"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the start did not go on")
		}
	}
}

// A host is ours when one of the two runs it; the scripts alone, as in most containers, do not.
func TestFind(t *testing.T) {
	for _, c := range []struct {
		paths  string
		ok     bool
		openrc bool
	}{
		{"etc/init.d/docker", false, false},
		{"etc/init.d/docker run/initctl", true, false},
		{"etc/init.d/docker run/openrc/softlevel", true, true},
		{"run/initctl", false, false},
	} {
		root := t.TempDir()
		for path := range strings.FieldsSeq(c.paths) {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
			must(t, os.WriteFile(filepath.Join(root, path), nil, 0o755))
		}
		m, ok := Find(root)
		if ok != c.ok || m.openrc != c.openrc {
			t.Errorf("%s: %v, OpenRC %v", c.paths, ok, m.openrc)
		}
	}
}

// Whether a service starts at boot is seen from the links; others whose names are longer do not count.
func TestAtBoot(t *testing.T) {
	m, root := site(t)
	link := func(path string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		must(t, os.Symlink("/nowhere", filepath.Join(root, path)))
	}
	link("etc/rc2.d/K01docker")
	link("etc/rc2.d/S01docker-registry")
	link("etc/runlevels/default/docker-registry")
	for _, m.openrc = range []bool{false, true} {
		if got, err := m.atBoot("docker"); got != "disabled" || err != nil {
			t.Errorf("OpenRC %v: without a link it is %s, %v", m.openrc, got, err)
		}
	}
	link("etc/rc3.d/S07docker")
	link("etc/runlevels/default/docker")
	for _, m.openrc = range []bool{false, true} {
		if got, err := m.atBoot("docker"); got != "enabled" || err != nil {
			t.Errorf("OpenRC %v: with a link it is %s, %v", m.openrc, got, err)
		}
	}
}
