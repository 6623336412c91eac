package drill

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/agent"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/enginetest"
	"davit/engine/guard"
	"davit/engine/guard/guardtest"
)

// TestMain lets the test's own binary be the guard that a backup starts, and a drill that is killed.
func TestMain(m *testing.M) {
	guardtest.Main()
	if len(os.Args) == 5 && os.Args[1] == killedDrill {
		os.Exit(drillAndBeKilled(os.Args[2], os.Args[3], os.Args[4]))
	}
	os.Exit(m.Run())
}

// realHost is an engine with containers to be saved, and a repository.
type realHost struct {
	*enginetest.Dockerd
	eng  *engine.Engine
	env  *backup.Env
	disk string
}

func newRealHost(t *testing.T, o enginetest.DockerdOptions) *realHost {
	t.Helper()
	enginetest.NeedRoot(t)
	h := &realHost{disk: enginetest.Bindable(t, enginetest.Disk(t, 2<<30))} // before the engine: its containers end first
	h.Dockerd = enginetest.StartDockerd(t, o)
	r, err := repo.Init(filepath.Join(h.disk, "repo"), repo.Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	h.eng, h.env = connectTo(t.Context(), t, h.Host, h.disk, r)
	return h
}

// connectTo makes the environment of a drill; the engine is closed with the test.
func connectTo(ctx context.Context, t testing.TB, endpoint, disk string, r *repo.Repository) (*engine.Engine, *backup.Env) {
	t.Helper()
	eng, err := engine.Connect(ctx, engine.Target{Host: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	env := testEnv(eng, disk, r)
	env.Mount = (&agent.Holding{Engine: eng, StateDir: env.StateDir, Rand: rand.Reader}).Mount
	env.Hold = backup.GuardedBy(guard.Options{StateDir: backup.GuardFolder(env.StateDir), Endpoint: eng.Endpoint()}, guard.Of(eng))
	return eng, env
}

func testEnv(eng *engine.Engine, disk string, r *repo.Repository) *backup.Env {
	return &backup.Env{
		Repo: r, Engine: eng, Host: "nas", Version: "test", StateDir: filepath.Join(disk, "state"), CacheDir: filepath.Join(disk, "cache"),
		Now: time.Now, Rand: rand.Reader,
	}
}

// save makes a snapshot. Nobody writes meanwhile, and busy machines may be slow to freeze.
func (h *realHost) save(t *testing.T, s backup.Selection) string {
	t.Helper()
	plan, err := backup.PlanCreate(t.Context(), h.env, backup.CreateOptions{Selection: s, Consistency: backup.ConsistencyLive})
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), h.env, plan)
	if err != nil {
		t.Fatalf("%v: %+v", err, report.Problems)
	}
	return report.Snapshot
}

// drill makes a drill of the newest snapshot.
func (h *realHost) drill(t *testing.T, o Options) (*Report, error) {
	t.Helper()
	if o.Spec == "" {
		o.Spec = "latest"
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	plan, err := Make(t.Context(), h.env, h.eng, o)
	if err != nil {
		t.Fatal(err)
	}
	before := h.everything(t)
	report, err := Run(t.Context(), h.env, h.eng, plan)
	if after := h.everything(t); after != before {
		t.Errorf("the host is not as it was:\n%s\nnow:\n%s", before, after)
	}
	return report, err
}

// everything lists what an engine has, and what runs: containers by id and start, volumes, networks, and all tags.
func (h *realHost) everything(t *testing.T) string {
	t.Helper()
	var lines []string
	containers, err := h.eng.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		s, err := stateOf(c)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, "container "+c.Name+" "+c.ID+" "+s.Status+" "+s.StartedAt.String())
	}
	for kind, args := range map[string][]string{
		"volume":  {"volume", "ls", "-q"},
		"network": {"network", "ls", "-q", "--no-trunc"},
		"image":   {"image", "ls", "-a", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"},
	} {
		for line := range strings.Lines(h.CLI(t, args...) + "\n") {
			lines = append(lines, kind+" "+strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// find returns the checks of a name.
func (r *Report) find(name, about string) []Check {
	var list []Check
	for _, c := range r.Checks {
		if c.Name == name && (about == "" || c.About == about) {
			list = append(list, c)
		}
	}
	return list
}
