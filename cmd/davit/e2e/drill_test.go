//go:build integration

package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"

	"golang.org/x/sys/unix"
)

// drillSite is a site with a snapshot of a container, its image and its volume, which are gone from the engine but for the volume.
func drillSite(t *testing.T) *engineSite {
	t.Helper()
	s := newEngineSite(t, 1<<30, enginetest.DockerdOptions{})
	s.ImportImage(t, "app:1", []string{"LABEL big=1"}, enginetest.File{Name: "blob", Content: string(noise(24 << 20)), Mode: 0o644})
	write(t, s.data+"/original", noise(48<<20))
	s.CLI(t, "volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+s.data, "data")
	s.RunContainer(t, "--name", "app", "--init", "-v", "data:/data", "app:1", "sleep", "1d")
	s.ok(t, "backup", "create", "--progress", "none")
	s.CLI(t, "rm", "--force", "app")
	s.CLI(t, "rmi", "app:1")
	return s
}

// scratch lists what drills have left on the engine and on disk.
func (s *engineSite) scratch(t *testing.T) []string {
	t.Helper()
	var left []string
	for _, args := range [][]string{
		{"ps", "--all", "--quiet", "--filter", "label=davit.drill"}, {"volume", "ls", "--quiet", "--filter", "label=davit.drill"},
		{"network", "ls", "--quiet", "--filter", "label=davit.drill"}, {"images", "--all", "--quiet"},
	} {
		left = append(left, strings.Fields(s.CLI(t, args...))...)
	}
	journals, err := filepath.Glob(s.disk + "/state/drills/*.journal")
	if err != nil {
		t.Fatal(err)
	}
	return append(left, journals...)
}

// Ctrl-C ends a drill with code 130 and a report that says so, and leaves nothing behind.
func TestInterruptedDrill(t *testing.T) {
	enginetest.NeedRoot(t)
	s := drillSite(t)
	before := s.scratch(t)
	drill := s.start(t, "backup", "drill", "--yes", "--progress", "none", "--probe", "app=sleep 60")
	eventually(t, deadline, "a copy of the container runs", func() bool {
		out, err := s.Try(nil, "ps", "--quiet", "--filter", "label=davit.drill")
		return err == nil && out != ""
	})
	drill.signal(t, unix.SIGINT)
	<-drill.done
	if code := drill.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if left := s.scratch(t); !slices.Equal(left, before) {
		t.Errorf("left: %q, before %q", left, before)
	}
	var report struct{ Verdict string }
	if err := json.Unmarshal([]byte(s.ok(t, "backup", "history", "latest", "--json")), &report); err != nil || report.Verdict != "interrupted" {
		t.Errorf("history: %+v, %v", report, err)
	}
}

// Two drills at once do not touch each other.
func TestTwoDrills(t *testing.T) {
	enginetest.NeedRoot(t)
	s := drillSite(t)
	before := s.scratch(t)
	first := s.start(t, "backup", "drill", "--yes", "--probe", "app=sleep 3; test -s /data/original")
	for range 2 {
		s.ok(t, "backup", "drill", "--yes", "--probe", "app=test -s /data/original")
	}
	<-first.done
	if code := first.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the first ended with %d: %s", code, s.ok(t, "backup", "history"))
	}
	if left := s.scratch(t); !slices.Equal(left, before) {
		t.Errorf("left: %q, before %q", left, before)
	}
}
