package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
	"davit/prune"
)

const prunePolicyText = `
version: 1
min_age: 0s
rules:
  - {name: old, select: {kind: container}, action: archive+remove}
  - {name: images, select: {kind: image}, action: archive+remove}
  - {name: anonymous, select: {kind: volume, anonymous: true}, action: remove}
`

// prunedHost is the program, and a private engine with something to prune.
type prunedHost struct {
	*enginetest.Dockerd
	dir string
}

// davit runs the program and returns its exit code and what it said.
func (h *prunedHost) davit(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	program, err := exec.LookPath("davit")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"--host", h.Host, "--state-dir", h.dir + "/state", "--cache-dir", h.dir + "/cache"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return code, stdout.String(), stderr.String()
}

// TestPruneCommands takes an operator's way on a real engine: a plan, its application, history and undo, with exit codes
// that tell what happened, and nothing on the screen that a hostile name chose.
func TestPruneCommands(t *testing.T) {
	enginetest.NeedRoot(t)
	h := &prunedHost{enginetest.StartDockerd(t, enginetest.DockerdOptions{}), t.TempDir()}
	repo, policy, plan := h.dir+"/repo", filepath.Join(h.dir, "policy.yaml"), h.dir+"/plan"
	if err := os.WriteFile(policy, []byte(prunePolicyText), 0o600); err != nil {
		t.Fatal(err)
	}
	h.MakeImage(t, "app:1")
	h.ImportImage(t, "stale:1", []string{`LABEL evil="a` + "\x1b[31m" + `b"`})
	h.CLI(t, "run", "--name", "job", "--label", "x=\x1b[31mred", "app:1", "sh", "-c", "echo kept > /result")

	if code, _, said := h.davit(t, "prune", "apply", "--policy", policy, "--archive", repo, "--yes"); code != 10 {
		t.Errorf("no repository: code %d: %s", code, said)
	}
	if code, _, said := h.davit(t, "backup", "init", "--repo", repo); code != 0 {
		t.Fatal(said)
	}
	if code, _, said := h.davit(t, "prune", "apply", "--policy", policy, "--archive", repo); code != 2 || !strings.Contains(said, "confirmation") {
		t.Errorf("nobody to ask: code %d: %s", code, said)
	}
	code, out, said := h.davit(t, "prune", "plan", "--policy", policy, "--archive", repo, "--out", plan, "--kept")
	if code != 0 || !strings.Contains(out, "3 of ") || strings.Contains(out, "\x1b") {
		t.Fatalf("plan: code %d: %s%s", code, out, said)
	}
	h.CLI(t, "rmi", "stale:1")
	code, out, said = h.davit(t, "prune", "apply", plan, "--yes")
	if code != 3 || !strings.Contains(out, "skipped image stale:1: it is gone already") || strings.Contains(out+said, "\x1b") {
		t.Errorf("apply: code %d: %s%s", code, out, said)
	}
	if left := h.CLI(t, "ps", "--all", "--quiet") + h.CLI(t, "images", "--quiet"); left != "" {
		t.Errorf("left: %q", left)
	}

	var record prune.Record
	if _, out, _ = h.davit(t, "prune", "history", "latest", "--json"); json.Unmarshal([]byte(out), &record) != nil ||
		record.Count(prune.Removed) != 2 || record.Count(prune.Skipped) != 1 || record.Snapshot == "" {
		t.Errorf("history: %s", out)
	}
	if _, out, _ = h.davit(t, "backup", "ls", "--repo", repo); !strings.Contains(out, "prune-archive") {
		t.Errorf("archive: %s", out)
	}
	if code, out, said = h.davit(t, "prune", "undo", record.ID[:15]); code != 0 || !strings.Contains(out, "container job: back") {
		t.Errorf("undo: code %d: %s%s", code, out, said)
	}
	if now := h.CLI(t, "images"); strings.Count(now, "app") != 1 {
		t.Errorf("images after undo: %s", now)
	}
	if got := h.CLI(t, "cp", "job:/result", "-"); !strings.Contains(got, "kept\n") {
		t.Error("what the container wrote is not back")
	}
	if code, out, _ = h.davit(t, "prune", "undo", "latest"); code != 0 || !strings.Contains(out, "there already") {
		t.Errorf("undo again: code %d: %s", code, out)
	}
	if info, err := os.Stat(h.dir + "/state/prune/runs"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("records: %v %v", info, err)
	}
}
