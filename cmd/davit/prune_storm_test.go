//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/prune"
)

// stormEngines are those on which nothing may be lost.
func stormEngines() map[string]enginetest.DockerdOptions {
	return map[string]enginetest.DockerdOptions{
		"20.10":      {Version: "20.10"},
		"28.5":       {Version: "28.5"},
		"containerd": {Version: "28.5", ContainerdStore: true},
	}
}

const (
	stormImages = 30
	// stormCache is one more rule: what builds keep goes as well, while there are builds.
	stormCache = "  - {name: cache, select: {kind: cache}, action: remove}\n"
)

// storm is a host with much to prune, and a registry that has some of it.
type storm struct {
	*prunedHost
	policy, repo string
}

func newStorm(t *testing.T, o enginetest.DockerdOptions) *storm {
	t.Helper()
	h := &storm{prunedHost: &prunedHost{enginetest.StartDockerd(t, o), t.TempDir()}}
	h.policy, h.repo = filepath.Join(h.dir, "policy.yaml"), filepath.Join(h.dir, "repo")
	if err := os.WriteFile(h.policy, []byte(prunePolicyText), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, said := h.davit(t, "backup", "init", "--repo", h.repo); code != 0 {
		t.Fatal(said)
	}
	h.MakeImage(t, "base:1", enginetest.File{Name: "etc/noise", Content: strings.Repeat("noise", 1<<18)})
	h.RunContainer(t, "--name", "web", "--restart", "always", "base:1")
	for n := range stormImages {
		h.BuildLayers(t, fmt.Sprintf("app:%d", n), "base:1", fmt.Sprintf("echo %d > /id; seq 1 20000 > /seq", n))
	}
	h.CLI(t, "create", "--name", "job", "app:0", "cat", "/id", "/seq")
	return h
}

// docker runs docker's client, which may say no.
func (h *storm) docker(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(h.BinDir, "docker"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir, "DOCKER_HOST=" + h.Host, "DOCKER_BUILDKIT=0"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// under waits until a run has done something.
func (h *storm) under(t *testing.T, lines int) {
	t.Helper()
	h.await(t, "the run is under way", func() bool {
		files, err := filepath.Glob(h.dir + "/state/prune/runs/*.jsonl")
		if err != nil || len(files) == 0 {
			return false
		}
		data, err := os.ReadFile(files[len(files)-1])
		return err == nil && bytes.Count(data, []byte("\n")) >= lines
	})
}

func (h *storm) latest(t *testing.T) prune.Record {
	t.Helper()
	var r prune.Record
	_, out, said := h.davit(t, "prune", "history", "latest", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return r
}

func (h *storm) images(t *testing.T) string {
	t.Helper()
	return h.CLI(t, "images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
}

// TestPruneStorm pulls, runs and builds as fast as it can while a prune takes everything that is not in use: what was
// pulled, run or built is whole afterwards.
func TestPruneStorm(t *testing.T) {
	for name, o := range stormEngines() {
		t.Run(name, func(t *testing.T) {
			h := newStorm(t, o)
			if err := os.WriteFile(h.policy, []byte(prunePolicyText+stormCache), 0o600); err != nil {
				t.Fatal(err)
			}
			startRegistry(t, &side{engine: h.Dockerd})
			h.rage(t)
		})
	}
}

// did is something that succeeded while a prune was under way.
type did struct {
	what string // image or container
	at   time.Time
}

func (h *storm) rage(t *testing.T) {
	t.Helper()
	if out, err := h.docker("login", "-u", "u", "-p", "secret", "127.0.0.1:5000"); err != nil {
		t.Fatal(out)
	}
	for n := range 10 {
		ref := fmt.Sprintf("127.0.0.1:5000/app:%d", n+10)
		h.CLI(t, "tag", fmt.Sprintf("app:%d", n+10), ref)
		if out, err := h.docker("push", ref); err != nil {
			t.Fatal(out)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var pulled, ran, built, classic []did
	repeat := func(done *[]did, do func(n int) (string, error)) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if what, err := do(n); err == nil {
					*done = append(*done, did{what, time.Now()})
				}
			}
		})
	}
	repeat(&pulled, func(n int) (string, error) {
		ref := fmt.Sprintf("127.0.0.1:5000/app:%d", 10+n%10)
		_, err := h.docker("pull", ref)
		return ref, err
	})
	repeat(&ran, func(n int) (string, error) {
		name := fmt.Sprint("r", n)
		_, err := h.docker("run", "--detach", "--name", name, fmt.Sprintf("app:%d", 20+n%10))
		return name, err
	})
	repeat(&built, func(n int) (string, error) {
		ref := fmt.Sprint("kit:", n)
		return ref, h.TryBuildKit(ref, fmt.Sprintf("FROM app:%d\nRUN echo built > /built%d\n", 1+n%9, n))
	})
	repeat(&classic, func(n int) (string, error) {
		ref := fmt.Sprint("built:", n)
		cmd := exec.Command(filepath.Join(h.BinDir, "docker"), "build", "--network", "none", "--tag", ref, "-")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir, "DOCKER_HOST=" + h.Host, "DOCKER_BUILDKIT=0"}
		cmd.Stdin = strings.NewReader(fmt.Sprintf("FROM app:%d\nRUN echo built > /built%d\n", 1+n%9, n))
		return ref, cmd.Run()
	})
	code, out, said := h.davit(t, "prune", "apply", "--policy", h.policy, "--archive", h.repo, "--yes")
	close(stop)
	wg.Wait()
	record := h.latest(t)
	for _, done := range []*[]did{&pulled, &built, &classic} { // what was there before, and is not in use, belongs to the plan
		*done = slices.DeleteFunc(*done, func(d did) bool { return d.at.Before(record.Began) })
	}
	kits := len(built)
	built = append(built, classic...)
	t.Logf("code %d: %d removed, %d skipped, %d failed; meanwhile %d pulls, %d runs, %d builds by BuildKit, %d others", code, record.Count(prune.Removed),
		record.Count(prune.Skipped), record.Count(prune.Failed), len(pulled), len(ran), kits, len(classic))
	if code != 3 && code != 0 || record.Ended.IsZero() || len(pulled)+len(ran)+len(classic) == 0 || kits == 0 {
		t.Errorf("code %d: %s%s", code, out, said)
	}
	for _, r := range ran {
		if out, err := h.docker("exec", r.what, "cat", "/id", "/etc/noise"); err != nil {
			t.Errorf("container %s is broken: %.200s", r.what, out)
		}
	}
	for _, b := range built {
		if out, err := h.docker("run", "--rm", b.what, "sh", "-c", "cat /built* /id /seq /etc/noise > /dev/null"); err != nil {
			t.Errorf("image %s is broken: %s", b.what, out)
		}
	}
	for _, p := range pulled {
		if out, err := h.docker("image", "inspect", p.what); err != nil && !goneBefore(record, p) {
			t.Errorf("image %s was pulled and is not there: %s", p.what, out)
		}
	}
	for _, line := range strings.Split(h.images(t), "\n") {
		ref, _, _ := strings.Cut(line, " ")
		if out, err := h.docker("run", "--rm", ref, "sh", "-c", "cat /etc/noise > /dev/null"); err != nil && !strings.Contains(ref, "<none>") {
			t.Errorf("image %s is broken: %s", ref, out)
		}
	}
}

// goneBefore tells whether the removal of an image had begun when a pull of it ended.
func goneBefore(r prune.Record, p did) bool {
	for _, d := range r.Deeds {
		for _, tag := range d.Object.Tags {
			if tag == p.what && d.Outcome == prune.Removed && d.At.Before(p.at) {
				return true
			}
		}
	}
	return false
}

// TestPruneKilled kills prunes at any moment: the history has what they did, undo brings all of it back, and the next
// prune is not kept out.
func TestPruneKilled(t *testing.T) {
	for name, o := range stormEngines() {
		t.Run(name, func(t *testing.T) {
			h := newStorm(t, o)
			before := h.images(t)
			for _, lines := range []int{1, 3, 8, 21, 40} {
				run := h.begin(t, nil, "prune", "apply", "--policy", h.policy, "--archive", h.repo, "--yes")
				h.under(t, lines)
				_ = run.Process.Kill() // it may have ended
				_ = run.Wait()
				r := h.latest(t)
				t.Logf("killed after %d lines: %d removed, %d begun", lines, r.Count(prune.Removed), r.Count(prune.Begun))
				if r.Count(prune.Begun) > 1 || r.Count(prune.Failed) > 0 {
					t.Errorf("the history says %d are begun, %d failed", r.Count(prune.Begun), r.Count(prune.Failed))
				}
				h.bringBack(t, before)
			}
		})
	}
}

// TestPruneEngineRestart restarts the engine while a prune is under way: it goes on when the engine is back.
func TestPruneEngineRestart(t *testing.T) {
	for name, o := range stormEngines() {
		t.Run(name, func(t *testing.T) {
			h := newStorm(t, o)
			before := h.images(t)
			for how, restart := range map[string]func(){
				"in order": func() { h.Restart(t) },
				"killed":   func() { h.Kill9(t); h.Start(t) },
			} {
				run := h.begin(t, nil, "prune", "apply", "--policy", h.policy, "--archive", h.repo, "--yes")
				h.under(t, 12)
				restart()
				err := run.Wait()
				r := h.latest(t)
				t.Logf("%s: %v: %d removed, %d skipped, %d failed", how, err, r.Count(prune.Removed), r.Count(prune.Skipped), r.Count(prune.Failed))
				if r.Ended.IsZero() || r.Count(prune.Begun) > 0 {
					t.Errorf("%s: the run did not end well: %s", how, run.Stderr)
				}
				for _, d := range r.Deeds {
					if d.Outcome == prune.Failed {
						t.Logf("%s %s: %s", d.Object.Kind, d.Object.Name, d.Reason)
					}
				}
				if left := strings.Count(h.images(t), "app:"); left > r.Count(prune.Failed)+r.Count(prune.Skipped) {
					t.Errorf("%s: %d images are left", how, left)
				}
				if out, err := h.docker("exec", "web", "cat", "/etc/noise"); err != nil {
					t.Errorf("%s: what was in use is broken: %.200s", how, out)
				}
				h.bringBack(t, before)
			}
		})
	}
}

// bringBack undoes the last run and forgets it.
func (h *storm) bringBack(t *testing.T, images string) {
	t.Helper()
	if code, out, said := h.davit(t, "prune", "undo", "latest"); code != 0 {
		t.Fatalf("undo: code %d: %s%s", code, out, said)
	}
	lines := func(s string) []string { return slices.Sorted(slices.Values(strings.Split(s, "\n"))) }
	if now := h.images(t); !slices.Equal(lines(now), lines(images)) {
		t.Fatalf("undo left\n%s\nand it was\n%s", now, images)
	}
	if out, err := h.docker("start", "--attach", "job"); err != nil || !strings.HasPrefix(out, "0\n1\n") {
		t.Errorf("the container that came back says %.100s: %v", out, err)
	}
	if err := os.RemoveAll(h.dir + "/state/prune/runs"); err != nil {
		t.Fatal(err)
	}
}
