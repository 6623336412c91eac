package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// TestPruneDigestOnly prunes an image that was pulled by its digest and has no other name: it stays while a stopped
// container needs it, goes with the bytes that were told, and comes back, with its name where an engine can be told that.
func TestPruneDigestOnly(t *testing.T) {
	enginetest.NeedRoot(t)
	engines := map[string]enginetest.DockerdOptions{"containerd": {Version: "28.5", ContainerdStore: true}}
	if enginetest.Integration {
		engines["graph driver"] = enginetest.DockerdOptions{Version: "28.5"}
	}
	for name, o := range engines {
		t.Run(name, func(t *testing.T) {
			h := &prunedHost{enginetest.StartDockerd(t, o), t.TempDir()}
			startRegistry(t, &side{engine: h.Dockerd})
			h.pruneDigest(t, o.ContainerdStore)
		})
	}
}

func (h *prunedHost) pruneDigest(t *testing.T, containerd bool) {
	t.Helper()
	docker := func(args ...string) string {
		cmd := exec.Command(filepath.Join(h.BinDir, "docker"), args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "DOCKER_HOST=" + h.Host}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("docker %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	docker("login", "-u", "u", "-p", "secret", "127.0.0.1:5000")
	h.MakeImage(t, "127.0.0.1:5000/app:1", enginetest.File{Name: "id", Content: "pinned"})
	docker("push", "127.0.0.1:5000/app:1")
	ref := docker("inspect", "--format", "{{index .RepoDigests 0}}", "127.0.0.1:5000/app:1")
	docker("rmi", "127.0.0.1:5000/app:1")
	docker("pull", ref)
	docker("create", "--name", "pinned", ref, "cat", "/id")
	id := docker("images", "--no-trunc", "--digests", "--quiet")
	before := docker("inspect", "--format", "{{.RepoTags}} {{.RepoDigests}}", ref)

	repo, policy := h.dir+"/repo", filepath.Join(h.dir, "policy.yaml")
	text := "version: 1\nmin_age: 0s\nrules: [{name: images, select: {kind: image}, action: archive+remove}]\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := h.davit(t, "backup", "init", "--repo", repo); code != 0 {
		t.Fatal(said)
	}
	if _, out, _ := h.davit(t, "prune", "plan", "--policy", policy, "--archive", repo, "--kept"); !strings.Contains(out, "in use by container pinned") {
		t.Errorf("a stopped container needs it: %s", out)
	}
	docker("rm", "pinned")
	if code, out, said := h.davit(t, "prune", "apply", "--policy", policy, "--archive", repo, "--exact", "--yes"); code != 0 {
		t.Fatalf("code %d: %s%s", code, out, said)
	}
	if left := docker("images", "--all", "--quiet"); left != "" {
		t.Errorf("left: %s", left)
	}
	code, out, said := h.davit(t, "prune", "undo", "latest")
	t.Logf("%s%s", out, said)
	if code != 0 {
		t.Fatalf("code %d: %s%s", code, out, said)
	}
	if back := docker("images", "--all", "--no-trunc", "--quiet"); back != id {
		t.Errorf("image %s came back as %s", id, back)
	}
	if out := docker("run", "--rm", id, "cat", "/id"); out != "pinned" {
		t.Errorf("it holds %q", out)
	}
	if !containerd {
		if !strings.Contains(out, "cannot be told its name "+ref) {
			t.Errorf("the digest is lost, and nobody says so: %s", out)
		}
		return
	}
	if names := docker("inspect", "--format", "{{.RepoTags}} {{.RepoDigests}}", ref); names != before {
		t.Errorf("it is called %s, and was called %s", names, before)
	}
	if code, out, said := h.davit(t, "prune", "undo", "latest"); code != 0 {
		t.Errorf("again: code %d: %s%s", code, out, said)
	}
	docker("rmi", ref)
	if left := docker("images", "--all", "--quiet"); left != "" {
		t.Errorf("with its name it does not go: %s", left)
	}
}
