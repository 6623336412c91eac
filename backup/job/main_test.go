package job

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/hook"
	"davit/backup/repo"
)

// testHost is a host without an engine: a folder with a file, a repository, and an Env.
type testHost struct {
	env             *Env
	dir, data, repo string
	now             time.Time
	said            []string
}

func newTestHost(t *testing.T) *testHost {
	t.Helper()
	h := &testHost{dir: t.TempDir(), now: time.Date(2026, 3, 1, 3, 10, 0, 0, time.UTC)}
	h.data, h.repo = filepath.Join(h.dir, "data"), filepath.Join(h.dir, "repo")
	if err := os.Mkdir(h.data, 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(t, "a", "first")
	r, err := repo.Init(h.repo, repo.Options{Now: h.clock, Rand: rand.Reader, Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h.env = &Env{
		StateDir: filepath.Join(h.dir, "state"), Host: "nas", Version: "test", PID: os.Getpid(), Now: h.clock, Rand: rand.Reader,
		Say: func(line string) { h.said = append(h.said, line) },
		Open: func(_ context.Context, in *Repository, _ bool, _ func(hook.Result)) (*backup.Env, func(), error) {
			r, err := repo.Open(in.Path, repo.Options{Now: h.clock, Rand: rand.Reader, Host: "nas"})
			if err != nil {
				return nil, nil, err
			}
			return &backup.Env{Repo: r, Host: "nas", Version: "test", StateDir: h.env.StateDir, Now: h.clock, Rand: rand.Reader},
				func() { r.Close() }, nil
		},
		Plan: func(ctx context.Context, env *backup.Env, o backup.CreateOptions) (*backup.CreatePlan, func(), error) {
			plan, err := backup.PlanCreate(ctx, env, o)
			return plan, func() {}, err
		},
		Snapshots: func(ctx context.Context, in *Repository) ([]repo.Snapshot, error) {
			r, err := repo.Open(in.Path, repo.Options{ReadOnly: true})
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return r.Snapshots(ctx)
		},
	}
	return h
}

// clock goes on by a second with every look at it.
func (h *testHost) clock() time.Time {
	h.now = h.now.Add(time.Second)
	return h.now
}

func (h *testHost) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.data, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// config is a configuration with one job, "nightly", that saves the folder, and what is given behind it.
func (h *testHost) config(t *testing.T, job, more string) (*Config, *Job) {
	t.Helper()
	text := fmt.Sprintf("version: 1\nrepositories: {main: {path: %s}}\njobs:\n  nightly:\n    what: {paths: [%s]}\n    wait: 0s\n%s\n%s",
		h.repo, h.data, job, more)
	c, err := ParseConfig("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return c, c.Jobs["nightly"]
}
