package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
	"davit/prune"
)

const targetPolicyText = `
version: 1
min_age: 0s
rules:
  - {name: anonymous, select: {kind: volume, anonymous: true}, action: remove}
  - {name: lru, select: {kind: image, unused: 0s}, action: remove}
`

// TestPruneTarget frees a small disk that nobody else writes to: the least recently used first, measured after each
// step, until the target is there. Bytes that do not come back, as those of a file that somebody still has open, are
// made up for by more. What cannot be reached is said.
func TestPruneTarget(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, o := range map[string]enginetest.DockerdOptions{
		"graph driver": {}, "containerd": {Version: "28.5", ContainerdStore: true},
	} {
		t.Run(name, func(t *testing.T) {
			disk := enginetest.Disk(t, 600<<20)
			o.Disk = disk
			h := &prunedHost{enginetest.StartDockerd(t, o), t.TempDir()}
			if !strings.HasPrefix(h.DataRoot, disk) {
				t.Fatalf("the engine is in %s", h.DataRoot)
			}
			h.freeToTarget(t, disk)
		})
	}
}

func (h *prunedHost) freeToTarget(t *testing.T, disk string) {
	t.Helper()
	policy := filepath.Join(h.dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(targetPolicyText), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 8 {
		noise := make([]byte, 10<<20)
		for i := range noise {
			noise[i] = byte(i*i>>8 + i*n)
		}
		h.MakeImage(t, fmt.Sprintf("old:%d", n), enginetest.File{Name: "noise", Content: string(noise)})
	}
	h.CLI(t, "volume", "create", "--label", "com.docker.volume.anonymous=", "held")
	path := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "held") + "/open"
	if err := os.WriteFile(path, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()

	free := func() uint64 {
		space, err := prune.ReadSpace(disk)
		if err != nil {
			t.Fatal(err)
		}
		return space.Free
	}
	want := free() + 35<<20
	code, out, said := h.davit(t, "prune", "apply", "--policy", policy, "--exact", "--yes", "--target", fmt.Sprint(want))
	if code != 0 || free() < want {
		t.Errorf("code %d, %d are free, target %d: %s%s", code, free(), want, out, said)
	}
	if !strings.Contains(said, "less came free than was expected") {
		t.Errorf("the open file counted as free: %s%s", out, said)
	}
	left := h.CLI(t, "images", "--format", "{{.Tag}}")
	if strings.Contains(left, "0") || strings.Contains(left, "1") || !strings.Contains(left, "7") || !strings.Contains(left, "6") {
		t.Errorf("not the least recently used went: %q is left", left)
	}
	h.checkMeasured(t)

	code, out, said = h.davit(t, "prune", "apply", "--policy", policy, "--exact", "--yes", "--target", "99%")
	if code != 3 || !strings.Contains(said, "the target is not reached") || !strings.Contains(said, "to the target") {
		t.Errorf("a target out of reach: code %d: %s%s", code, out, said)
	}
	if left := h.CLI(t, "images", "--quiet"); left != "" {
		t.Errorf("images left: %q", left)
	}
	h.checkMeasured(t)
}

// checkMeasured compares what the last run was to free with what the disk has more.
func (h *prunedHost) checkMeasured(t *testing.T) {
	t.Helper()
	_, out, said := h.davit(t, "prune", "history", "latest", "--json")
	var r prune.Record
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	off := float64(r.Measured-r.Freed) / float64(r.Freed)
	t.Logf("predicted %d, measured %d: %.2f %%", r.Freed, r.Measured, 100*off)
	if !r.Seen || r.Count(prune.Removed) == 0 || off > 0.02 || off < -0.02 {
		t.Errorf("predicted %d, measured %d", r.Freed, r.Measured)
	}
}
