package migrate_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/migrate"
)

// The old root stays while it is used; then it is put aside, and deleted when that is asked for.
func TestCommit(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	commit := func(deleteOld bool) error {
		_, err := migrate.Commit(t.Context(), h.state(), time.Now, fakeEngine{h}, deleteOld)
		return err
	}
	h.begin(t, h.plan())
	if err := commit(false); err == nil {
		t.Error("a migration that is not done was committed")
	}
	must(t, h.worker().Work(t.Context()))

	mount := filepath.Join(h.old(), "volumes/db/_data")
	must(t, exec.Command("mount", "-t", "tmpfs", "none", mount).Run())
	var busy *migrate.InUseError
	if err := commit(true); !errors.As(err, &busy) {
		t.Errorf("with a mount inside: %v", err)
	}
	enginetest.Unmount(t, mount)

	h.binds = map[string]string{"b2": filepath.Join(h.old(), "volumes")}
	if err := commit(true); !errors.As(err, &busy) {
		t.Errorf("with a bind mount of it: %v", err)
	}
	h.binds = nil

	h.root = h.old()
	if err := commit(true); err == nil {
		t.Error("committed although the engine works on the old root")
	}
	h.root = h.new()

	must(t, commit(false))
	aside := h.old() + ".davit-old-test"
	if _, err := os.Stat(filepath.Join(aside, "containers.json")); err != nil {
		t.Error(err)
	}
	if err := migrate.Order(h.state(), migrate.ActionRollback, time.Now); err == nil {
		t.Error("rollback after a commit was allowed")
	}
	must(t, commit(true))
	for _, gone := range []string{h.old(), aside} {
		if _, err := os.Lstat(gone); !os.IsNotExist(err) {
			t.Errorf("%s: %v", gone, err)
		}
	}
	if _, err := os.Stat(filepath.Join(h.new(), "containers.json")); err != nil {
		t.Error(err)
	}
}
