package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// farReport is what the tests read of a create by an agent.
type farReport struct {
	Items []struct {
		Kind, Name string
		BytesRead  int64 `json:"bytes_read"`
		BytesNew   int64 `json:"bytes_new"`
	}
	Freezes []struct{ Containers []string }
}

func (s *site) createFar(t *testing.T, args ...string) farReport {
	t.Helper()
	var report farReport
	out := s.ok(t, append([]string{"backup", "create", "--json", "--progress", "none", "--max-freeze", "60s"}, args...)...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("read report: %v\n%s", err, out)
	}
	return report
}

// noHelpers waits until no helper container is there, and checks that no image and no note is.
func (s *engineSite) noHelpers(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "no helper container is left", func() bool {
		out, err := s.Try(nil, "ps", "--all", "--quiet", "--filter", "label=davit.helper")
		return err == nil && out == ""
	})
	if out := s.CLI(t, "images", "--quiet", "--filter", "label=davit.helper"); out != "" {
		t.Errorf("an image is left: %s", out)
	}
	if left, err := filepath.Glob(s.disk + "/state/agents/*"); err != nil || len(left) > 0 {
		t.Errorf("notes are left: %v, %v", left, err)
	}
}

// Volumes that a helper container reads are saved as those that davit reads itself: the second, local, run finds nothing
// new in them; the helper's second run reads nothing; and what it restores is the same tree. When davit is killed while
// it holds a container, the container runs again and the helper is gone.
func TestAgent(t *testing.T) {
	enginetest.NeedRoot(t)
	t.Parallel()
	s := newEngineSite(t, 1<<30, enginetest.DockerdOptions{})
	s.CLI(t, "volume", "create", "full")
	full := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "full")
	enginetest.BuildTree(t, full)
	write(t, s.data+"/original", noise(32<<20))
	s.runApp(t, "sh", "-c", rewrite)
	s.says(t, "app", "ready")

	report := s.createFar(t, "--agent", "always", "--volume", "full", "--volume", "data")
	if len(report.Freezes) != 1 {
		t.Errorf("nothing was held: %+v", report)
	}
	s.noHelpers(t)
	t.Run("equals local", func(t *testing.T) {
		for _, it := range s.createFar(t, "--volume", "full").Items {
			if it.Kind == "volume" && (it.BytesRead < 20<<20 || it.BytesNew != 0) {
				t.Errorf("read here, %s has %d new bytes of %d", it.Name, it.BytesNew, it.BytesRead)
			}
		}
	})
	t.Run("reads nothing again", func(t *testing.T) {
		for _, it := range s.createFar(t, "--agent", "always", "--volume", "full").Items {
			if it.BytesRead > 1<<20 { // some have times in the future
				t.Errorf("%d bytes of %s are read again", it.BytesRead, it.Name)
			}
		}
	})
	t.Run("restores", func(t *testing.T) {
		s.ok(t, "backup", "restore", "latest:volume/full", "--to-volume", "again", "--agent", "always", "--progress", "none")
		again := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "again")
		same(t, "restored by an agent", tree(t, full), tree(t, again))
		r := s.ends(t, []int{1}, "backup", "restore", "latest:volume/full", "--agent", "always", "--progress", "none")
		if !strings.Contains(r.err, "full is not empty") {
			t.Errorf("a volume with data: %s", r.err)
		}
		s.noHelpers(t)
	})
	t.Run("killed", func(t *testing.T) {
		davit := s.catchHeld(t, "app", "paused", "--agent", "always", "--volume", "data", "--max-freeze", "60s")
		davit.kill(t)
		eventually(t, time.Minute, "app runs again", func() bool { return s.status("app") == "running" })
		s.nothingToUndo(t)
		s.ok(t, "recover")
		s.noHelpers(t)
	})
	s.ok(t, "backup", "verify", "--read-data")
}
