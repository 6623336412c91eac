package e2e

import (
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// When rules leave nothing to save, the failure names what they left out.
func TestNothingLeftToSave(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newEngineSite(t, 64<<20, enginetest.DockerdOptions{Version: "20.10"})
	s.RunContainer(t, "--name", "app", "-v", "/sys:/host:ro", "bb:1")
	r := s.ends(t, []int{1}, "backup", "create", "--bind")
	oneLine(t, r)
	if !strings.Contains(r.err, "nothing to back up: bind /sys is left out: ") {
		t.Errorf("does not name what is left out:\n%s", r.err)
	}
	s.CLI(t, "rm", "--force", "app")
	if r := s.ends(t, []int{1}, "backup", "create", "--bind"); r.err != "davit: nothing to back up\n" {
		t.Errorf("says %q", r.err)
	}
}
