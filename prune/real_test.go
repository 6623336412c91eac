package prune

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/enginetest"
)

// realHost is a private engine with objects to prune.
type realHost struct {
	*enginetest.Dockerd
	engine *engine.Engine
	env    *Env
	repo   *backup.Env
}

func newRealHost(t *testing.T, o enginetest.DockerdOptions) *realHost {
	t.Helper()
	d := enginetest.StartDockerd(t, o)
	eng, err := engine.Connect(t.Context(), engine.Target{Host: d.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	h := &realHost{Dockerd: d, engine: eng}
	h.env = &Env{Engine: eng, StateDir: t.TempDir(), Host: "test", Now: time.Now, Rand: rand.Reader}
	dir := filepath.Join(t.TempDir(), "repo")
	options := repo.Options{Now: time.Now, Rand: rand.Reader, Host: "test"}
	r, err := repo.Init(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	h.repo = &backup.Env{
		Repo: r, Engine: eng, Host: "test", StateDir: h.env.StateDir, CacheDir: t.TempDir(), Now: time.Now, Rand: rand.Reader,
	}
	h.env.Archiver = &Repository{Env: h.repo, DataRoot: d.DataRoot}
	return h
}

// everything removes all that nothing needs, archived first.
const everything = `
version: 1
min_age: 0s
rules:
  - {name: containers, select: {kind: container}, action: archive+remove}
  - {name: cache, select: {kind: cache}, action: remove}
  - {name: images, select: {kind: image}, action: archive+remove}
  - {name: networks, select: {kind: network}, action: remove}
  - {name: anonymous, select: {kind: volume, anonymous: true}, action: archive+remove}
  - {name: named, select: {kind: volume, named: true}, action: archive+remove}
`

func (h *realHost) plan(t *testing.T, text string) *Plan {
	t.Helper()
	p, err := ParsePolicy("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, _, err := Make(t.Context(), h.engine, p, Options{Archive: h.repo.Repo.Dir()}, ReadOptions{Now: time.Now, Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range plan.Notes {
		t.Errorf("note: %s", n)
	}
	return plan
}

// usage is what the engine's folders take on the disk.
func (h *realHost) usage(t *testing.T) int64 {
	t.Helper()
	var sum int64
	for _, dir := range []string{h.DataRoot, h.ContainerdRoot} {
		n, err := diskUsage(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func noise(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// fill makes images that share layers, a stopped container that wrote and deleted files, volumes and networks, and
// things in use beside them.
func (h *realHost) fill(t *testing.T) {
	t.Helper()
	h.MakeImage(t, "base:1", enginetest.File{Name: "etc/noise", Content: noise(3 << 20)}, enginetest.File{Name: "etc/gone", Content: "x"})
	h.BuildLayers(t, "app:1", "base:1", "head -c 1000000 /dev/urandom > /tmp/one")
	h.BuildLayers(t, "app:2", "base:1", "head -c 2000000 /dev/urandom > /tmp/two", "echo small > /tmp/small")
	h.CLI(t, "tag", "app:2", "app:latest")
	h.CLI(t, "rmi", "base:1")
	h.MakeImage(t, "kept:1", enginetest.File{Name: "etc/noise", Content: noise(1 << 20)})
	h.CLI(t, "network", "create", "used")
	h.CLI(t, "network", "create", "--label", "a=b", "idle")
	h.RunContainer(t, "--name", "web", "--network", "used", "--volume", "usedvol:/data", "kept:1")
	h.RunContainer(t, "--name", "job", "--network", "idle", "--volume", "named:/named", "--volume", "/anon", "--env", "A=b", "--label", "own=1", "app:2", "sh", "-c",
		"head -c 500000 /dev/urandom > /written; rm /etc/gone; echo data > /named/file; echo anon > /anon/file")
	h.CLI(t, "wait", "job")
}

func (h *realHost) listing(t *testing.T) string {
	t.Helper()
	images := strings.Split(h.CLI(t, "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"), "\n")
	slices.Sort(images)
	volumes := h.CLI(t, "volume", "ls", "--format", "{{.Name}} {{.Labels}}")
	networks := h.CLI(t, "network", "ls", "--format", "{{.Name}} {{.Labels}}")
	containers := h.CLI(t, "ps", "--all", "--format", "{{.Names}} {{.Image}} {{.Networks}}")
	return strings.Join(images, "\n") + "\n--\n" + volumes + "\n--\n" + networks + "\n--\n" + containers
}

// TestApplyAndUndo proves on real engines that the bytes of a plan are those that go, that nothing in use goes, and
// that undo brings everything back, down to what a container wrote and deleted.
func TestApplyAndUndo(t *testing.T) {
	t.Parallel()
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newRealHost(t, o)
			h.fill(t)
			h.checkBooks(t)
			before, listed := h.usage(t), h.listing(t)
			plan := h.plan(t, everything)
			for _, v := range plan.Removed {
				t.Logf("%9d %s %s %v: %s", v.Bytes, v.Kind, v.Name, v.Tags, v.Reason)
			}
			for _, v := range plan.Kept {
				t.Logf("kept %s %s %v: %s", v.Kind, v.Name, v.Tags, v.Reason)
			}
			record, err := Apply(t.Context(), h.env, plan)
			if err != nil {
				for _, d := range record.Deeds {
					t.Logf("%s %s: %s %s", d.Object.Kind, d.Object.Name, d.Outcome, d.Reason)
				}
				t.Fatal(err)
			}
			h.checkBytes(t, plan, before)
			if left := h.CLI(t, "images", "--format", "{{.Repository}}"); left != "kept" {
				t.Errorf("images left: %q", left)
			}
			if left := h.CLI(t, "ps", "--all", "--format", "{{.Names}}"); left != "web" {
				t.Errorf("containers left: %q", left)
			}
			if left := h.CLI(t, "volume", "ls", "--quiet"); left != "usedvol" {
				t.Errorf("volumes left: %q", left)
			}
			h.undo(t, record.ID)
			if now := h.listing(t); now != listed {
				t.Errorf("undo left\n%s\nbefore the prune it was\n%s", now, listed)
			}
			h.checkContainer(t)
		})
	}
}

// checkBytes compares what a plan says with what went from the disk.
func (h *realHost) checkBytes(t *testing.T, plan *Plan, before int64) {
	t.Helper()
	var sum int64
	for _, v := range plan.Removed {
		sum += v.Bytes
	}
	if sum != plan.Bytes {
		t.Errorf("the column adds up to %d, the plan says %d", sum, plan.Bytes)
	}
	freed := before - h.usage(t)
	if off := float64(freed-plan.Bytes) / float64(freed); off > 0.02 || off < -0.02 {
		t.Errorf("freed %d bytes, planned %d: %.1f %% off", freed, plan.Bytes, 100*off)
	}
	t.Logf("freed %d, planned %d", freed, plan.Bytes)
}

func (h *realHost) undo(t *testing.T, run string, names ...string) {
	t.Helper()
	record, err := FindRun(h.env.StateDir, run)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Undo(t.Context(), h.env, h.engine, record, h.repo, names)
	for _, u := range list {
		t.Logf("undo %s %s: %v %s", u.Kind, u.Name, u.Done, u.Reason)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checkContainer looks at what a container that came back has, and runs it.
func (h *realHost) checkContainer(t *testing.T) {
	t.Helper()
	if diff := h.CLI(t, "diff", "job"); !strings.Contains(diff, "A /written") || !strings.Contains(diff, "D /etc/gone") {
		t.Errorf("what the container wrote is not back: %s", diff)
	}
	if got := h.CLI(t, "inspect", "--format", `{{index .Config.Labels "own"}} {{.Config.Env}}`, "job"); !strings.HasPrefix(got, "1 [A=b") {
		t.Errorf("definition: %s", got)
	}
	out := h.CLI(t, "run", "--rm", "--volumes-from", "job", "kept:1", "sh", "-c", "cat /named/file /anon/file")
	if out != "data\nanon" {
		t.Errorf("volumes hold %q", out)
	}
	h.CLI(t, "start", "job")
	if code := h.CLI(t, "wait", "job"); code != "0" {
		t.Errorf("the container ends with %s", code)
	}
	tar := filepath.Join(t.TempDir(), "written")
	h.CLI(t, "cp", "job:/written", tar)
	if st, err := os.Stat(tar); err != nil || st.Size() != 500000 {
		t.Errorf("the written file: %v %v", st, err)
	}
}

// TestBuildCache proves that layers which the build cache shares with images count for whichever goes last.
func TestBuildCache(t *testing.T) {
	t.Parallel()
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) { newRealHost(t, o).pinnedLayers(t) })
	}
}

func (h *realHost) pinnedLayers(t *testing.T) {
	t.Helper()
	const images = `
version: 1
min_age: 0s
rules: [{name: images, select: {kind: image, ref: "built:*"}, action: remove}]
`
	h.MakeImage(t, "base:1", enginetest.File{Name: "etc/noise", Content: noise(1 << 20)})
	h.BuildKit(t, "built:1", "FROM base:1\nRUN head -c 3000000 /dev/urandom > /tmp/one\nRUN head -c 2000000 /dev/urandom > /tmp/two\n")
	h.BuildKit(t, "built:2", "FROM base:1\nRUN head -c 1000000 /dev/urandom > /tmp/three\n")

	plan := h.plan(t, images)
	before := h.usage(t)
	if _, err := Apply(t.Context(), h.env, plan); err != nil {
		t.Fatal(err)
	}
	h.near(t, plan, before)

	plan = h.plan(t, strings.Replace(everything, "{kind: image}", "{kind: image, ref: none}", 1))
	if len(plan.Removed) < 3 || plan.Bytes < 6_000_000 {
		t.Errorf("the build cache is %d records and %d bytes", len(plan.Removed), plan.Bytes)
	}
	before = h.usage(t)
	if record, err := Apply(t.Context(), h.env, plan); err != nil {
		t.Fatalf("%v: %v", err, outcomes(record))
	}
	h.checkBytes(t, plan, before)
}

// near is checkBytes for little that goes: books of the engine weigh in then.
func (h *realHost) near(t *testing.T, plan *Plan, before int64) {
	t.Helper()
	freed := before - h.usage(t)
	t.Logf("%d images: freed %d, planned %d", len(plan.Removed), freed, plan.Bytes)
	if off := freed - plan.Bytes; len(plan.Removed) != 2 || off > 100_000 || off < -100_000 {
		t.Errorf("%d images: freed %d, planned %d", len(plan.Removed), freed, plan.Bytes)
	}
}
