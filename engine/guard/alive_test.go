package guard

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A run counts as alive as long as somebody holds the lock of its journal, and no longer.
func TestAlive(t *testing.T) {
	dir := t.TempDir()
	if runs, err := Alive(filepath.Join(dir, "none")); err != nil || len(runs) > 0 {
		t.Errorf("without a folder: %v, %v", runs, err)
	}
	j, err := createJournal(dir, "nightly-1", record{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dead-1"+suffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if runs, err := Alive(dir); err != nil || len(runs) != 1 || runs[0] != "nightly-1" {
		t.Errorf("%v, %v", runs, err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if runs, err := Alive(dir); err != nil || len(runs) > 0 {
		t.Errorf("after its end: %v, %v", runs, err)
	}
}
