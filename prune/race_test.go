package prune

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
)

// TestMain lets the test's own binary be the davit that is killed.
func TestMain(m *testing.M) {
	if file := os.Getenv("PRUNE_TEST_PLAN"); file != "" {
		os.Exit(applyAndDie(file))
	}
	os.Exit(m.Run())
}

func applyAndDie(file string) int {
	eng, err := engine.Connect(context.Background(), engine.Target{Host: os.Getenv("PRUNE_TEST_HOST")})
	if err != nil {
		return 3
	}
	plan, err := ReadPlan(file)
	if err != nil {
		return 4
	}
	env := &Env{Engine: &killer{eng}, StateDir: os.Getenv("PRUNE_TEST_STATE"), Host: "test", Now: time.Now, Rand: rand.Reader}
	_, _ = Apply(context.Background(), env, plan) // dies
	return 5
}

// killer kills its process when it has removed a reference of an image.
type killer struct{ *engine.Engine }

func (k *killer) RemoveImage(ctx context.Context, ref string) ([]string, error) {
	deleted, err := k.Engine.RemoveImage(ctx, ref)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	return deleted, err
}

// hooked does something just before the engine is asked to remove an image.
type hooked struct {
	*engine.Engine
	before func()
}

func (h *hooked) RemoveImage(ctx context.Context, ref string) ([]string, error) {
	if h.before != nil {
		before := h.before
		h.before = nil
		before()
	}
	return h.Engine.RemoveImage(ctx, ref)
}

// outcomes are what became of objects, by name.
func outcomes(r *Record) map[string]string {
	all := map[string]string{}
	for _, d := range r.Deeds {
		all[d.Object.Name] = string(d.Outcome) + ": " + d.Reason
	}
	return all
}

const imagesOnly = `
version: 1
min_age: 0s
rules:
  - {name: containers, select: {kind: container}, action: remove}
  - {name: images, select: {kind: image}, action: remove}
  - {name: volumes, select: {kind: volume, anonymous: true}, action: remove}
`

// TestRaces shows what happens when the host changes between a plan and its end: what changed or is in use stays, and
// the record says so.
func TestRaces(t *testing.T) {
	t.Parallel()
	h := newRealHost(t, enginetest.DockerdOptions{})
	image := func(ref string) { h.MakeImage(t, ref, enginetest.File{Name: "id", Content: ref + noise(1000)}) }

	t.Run("a day later", func(t *testing.T) {
		for _, ref := range []string{"gone:1", "retagged:1", "run:1", "started:1", "moved:1", "free:1"} {
			image(ref)
		}
		h.CLI(t, "create", "--name", "idle", "started:1")
		plan := h.plan(t, imagesOnly)
		h.CLI(t, "rmi", "gone:1")
		h.CLI(t, "tag", "retagged:1", "retagged:2")
		h.CLI(t, "create", "--name", "new", "run:1")
		h.CLI(t, "start", "idle")
		h.CLI(t, "tag", "free:1", "moved:1") // the name means another image now
		env := *h.env
		env.Now, env.StateDir = func() time.Time { return time.Now().Add(24 * time.Hour) }, t.TempDir()
		record, err := Apply(t.Context(), &env, plan)
		var partial *PartialError
		if !errors.As(err, &partial) || record.Began.Sub(plan.Made) < 24*time.Hour {
			t.Fatalf("got %v", err)
		}
		for name, says := range map[string]string{
			"gone:1": "gone already", "retagged:1": "tags are others", "run:1": "in use by container new",
			"idle": "it is running", "started:1": "used since", "free:1": "tags are others", "moved:1": "tags are others",
		} {
			if got := outcomes(record)[name]; !strings.HasPrefix(got, "skipped") || !strings.Contains(got, says) {
				t.Errorf("%s: %q", name, got)
			}
		}
		h.CLI(t, "rm", "--force", "idle", "new")
	})

	t.Run("just before", func(t *testing.T) {
		image("raced:1")
		plan := h.plan(t, imagesOnly)
		env := *h.env
		env.Engine = &hooked{h.engine, func() { h.CLI(t, "create", "--name", "late", plan.Removed[0].Tags[0]) }}
		record, err := Apply(t.Context(), &env, plan)
		var partial *PartialError
		if !errors.As(err, &partial) || record.Count(Failed) != 1 {
			t.Fatalf("got %v: %v", err, outcomes(record))
		}
		h.CLI(t, "start", "late") // its image is whole
		h.CLI(t, "rm", "--force", "late")
	})

	t.Run("two at once", func(t *testing.T) {
		image("twice:1")
		plan := h.plan(t, imagesOnly)
		env := *h.env
		var second error
		env.Engine = &hooked{h.engine, func() { _, second = Apply(t.Context(), h.env, plan) }}
		if _, err := Apply(t.Context(), &env, plan); err != nil {
			t.Fatal(err)
		}
		var busy *BusyError
		if !errors.As(second, &busy) {
			t.Errorf("the second run says %v", second)
		}
	})

	t.Run("another engine's plan", func(t *testing.T) {
		plan := h.plan(t, imagesOnly)
		plan.Engine.ID = "other"
		var wrong *PlanError
		if _, err := Apply(t.Context(), h.env, plan); !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("a mount that the engine knows nothing of", func(t *testing.T) {
		anon := h.CLI(t, "volume", "create", "--label", anonymousLabel+"=")
		path := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", anon)
		hold := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --bind "$0" /mnt && echo mounted && exec sleep 600`, path)
		out, err := hold.StdoutPipe()
		if err == nil {
			err = hold.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = hold.Process.Kill(); _ = hold.Wait() }()
		if _, err := out.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		plan := h.plan(t, imagesOnly)
		i := slices.IndexFunc(plan.Kept, func(v Verdict) bool { return v.ID == anon })
		if i < 0 || !strings.Contains(plan.Kept[i].Reason, "has it mounted") {
			t.Errorf("the plan removes a volume that a process uses")
		}
	})

	t.Run("killed", func(t *testing.T) {
		image("k:1")
		h.CLI(t, "tag", "k:1", "k:2")
		listed, plan := h.listing(t), h.plan(t, imagesOnly)
		file := filepath.Join(t.TempDir(), "plan")
		if err := plan.WriteFile(file); err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(self)
		child.Env = append(os.Environ(), "PRUNE_TEST_PLAN="+file, "PRUNE_TEST_HOST="+h.Host, "PRUNE_TEST_STATE="+h.env.StateDir)
		err = child.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child ends with %v", err)
		}
		runs, err := History(h.env.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		if r := runs[0]; !r.Ended.IsZero() || len(r.Deeds) != 1 || r.Deeds[0].Outcome != Begun || len(r.Deeds[0].Raw) == 0 {
			t.Errorf("the history says %+v", r)
		}
		if now := h.listing(t); now == listed {
			t.Error("the child removed nothing")
		}
		h.undo(t, runs[0].ID)
		if now := h.listing(t); now != listed {
			t.Errorf("undo left\n%s\nbefore it was\n%s", now, listed)
		}
		// The next run is not kept out by the dead one.
		if _, err := Apply(t.Context(), h.env, h.plan(t, imagesOnly)); err != nil {
			t.Error(err)
		}
	})
}
