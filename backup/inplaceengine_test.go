package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/guard"
)

// A restore in place swaps the volume while its user is stopped, keeps the old data until commit, and puts it back
// on rollback and when something fails.
func TestRestoreInPlace(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "base:1")
	h.RunContainer(t, "--name", "db", "-v", "data:/data", "base:1")
	mount := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "data")
	write(t, mount+"/table", "saved")
	before := describe(t, mount)
	create(t, h.env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})
	write(t, mount+"/table", "changed since")
	changed := describe(t, mount)
	ctx := context.Background()

	if _, err := PlanRestore(ctx, h.env, RestoreOptions{Spec: "latest:volume/data"}); err != nil {
		t.Fatal(err)
	}
	plan, err := PlanRestore(ctx, h.env, RestoreOptions{Spec: "latest:volume/data"})
	if err != nil || len(plan.Refused) != 1 {
		t.Fatalf("a volume with data is not refused: %+v, %v", plan, err)
	}
	var refused *RefusedError
	if _, err := ApplyRestore(ctx, h.env, plan); !errors.As(err, &refused) {
		t.Fatalf("apply: %v", err)
	}

	o := RestoreOptions{Spec: "latest:volume/data", InPlace: true}
	report := h.restore(t, o)
	same(t, "restored", before, describe(t, mount))
	if got := h.CLI(t, "exec", "db", "cat", "/data/table"); got != "saved" {
		t.Errorf("the container sees %q", got)
	}
	kept, err := InPlaceRestores(ctx, h.env)
	if err != nil || len(kept) != 1 || kept[0].ID != report.InPlace {
		t.Fatalf("kept: %+v, %v", kept, err)
	}
	if _, err := RollbackInPlace(ctx, h.env, ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rolled back", changed, describe(t, mount))
	if got := h.CLI(t, "exec", "db", "cat", "/data/table"); got != "changed since" {
		t.Errorf("after the rollback the container sees %q", got)
	}
	h.onlyData(t, mount)

	h.restore(t, o)
	if _, err := CommitInPlace(ctx, h.env, ""); err != nil {
		t.Fatal(err)
	}
	same(t, "committed", before, describe(t, mount))
	h.onlyData(t, mount)

	// A container that cannot start again takes the new data back.
	write(t, mount+"/table", "changed since")
	h.env.Hold = failingStart(h.env.Hold)
	plan, err = PlanRestore(ctx, h.env, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApplyRestore(ctx, h.env, plan); err == nil {
		t.Error("a failed start is not told")
	}
	if got := read(t, mount+"/table"); got != "changed since" {
		t.Errorf("after a failed start the volume holds %q", got)
	}
	if got := h.CLI(t, "inspect", "--format", "{{.State.Status}}", "db"); got != "running" {
		t.Errorf("db is %s", got)
	}
	h.onlyData(t, mount)
}

// onlyData proves that nothing is left beside a volume's folder.
func (h *realHost) onlyData(t *testing.T, mount string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(mount))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the volume: %v, %v", entries, err)
	}
}

// failingStart makes the first thaw fail after it thawed.
func failingStart(open func(HoldOptions) (Holder, error)) func(HoldOptions) (Holder, error) {
	return func(o HoldOptions) (Holder, error) {
		h, err := open(o)
		return &brokenHolder{Holder: h}, err
	}
}

type brokenHolder struct {
	Holder
	broken bool
}

func (h *brokenHolder) Freeze(ctx context.Context, c []guard.Target, m guard.Mode) (Frozen, error) {
	f, err := h.Holder.Freeze(ctx, c, m)
	if err != nil || h.broken {
		return f, err
	}
	h.broken = true
	return brokenFrozen{f}, nil
}

type brokenFrozen struct{ Frozen }

func (f brokenFrozen) Thaw(ctx context.Context) (guard.Held, error) {
	held, err := f.Frozen.Thaw(ctx)
	return held, errors.Join(err, errors.New("db does not come up"))
}
