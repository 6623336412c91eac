package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// TestMain builds the program as it is shipped, and the tests' helper, and puts both on PATH.
func TestMain(m *testing.M) {
	code, err := runWithPrograms(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runWithPrograms(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil // every test will say why it is skipped
	}
	dir, err := os.MkdirTemp("", "davit-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", dir,
		"davit/cmd/davit", "davit/cmd/davit/e2e/churn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build davit: %w\n%s", err, out)
	}
	if err := os.Setenv("PATH", dir+":"+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// site is a place where davit works: a repository and state of its own, on a file system of its own.
type site struct {
	disk   string // the file system, with repo, state, cache, data
	repo   string
	data   string // an empty folder to be saved
	engine string // endpoint, may lead nowhere
}

// newSite makes a site with an empty repository.
func newSite(t *testing.T, size int64) *site {
	t.Helper()
	disk := enginetest.Disk(t, size)
	s := &site{disk: disk, repo: disk + "/repo", data: disk + "/data", engine: "unix://" + disk + "/none"}
	if err := os.Mkdir(s.data, 0o755); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "backup", "init")
	return s
}

// command is a davit command line at this site.
func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command("davit", args...)
	cmd.Env = append(os.Environ(), "DAVIT_REPO="+s.repo, "DAVIT_STATE_DIR="+s.disk+"/state",
		"DAVIT_CACHE_DIR="+s.disk+"/cache", "DOCKER_HOST="+s.engine, "DOCKER_CONTEXT=")
	cmd.Dir = s.disk
	return cmd
}

// result is how a davit command ended.
type result struct {
	code     int // -1: killed
	out, err string
}

// deadline is when a davit command is taken to hang.
const deadline = 3 * time.Minute

// run runs a davit command to its end.
func (s *site) run(t *testing.T, args ...string) result {
	t.Helper()
	cmd := s.command(args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !hangs.Stop() {
		t.Fatalf("davit %q hangs; it said\n%s%s", args, out.String(), said.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{code: cmd.ProcessState.ExitCode(), out: out.String(), err: said.String()}
}

// ends runs a davit command that must end with one of the codes.
func (s *site) ends(t *testing.T, codes []int, args ...string) result {
	t.Helper()
	r := s.run(t, args...)
	if !slices.Contains(codes, r.code) {
		t.Fatalf("davit %q: exit code %d, want %d; it said\n%s%s", args, r.code, codes, r.out, r.err)
	}
	return r
}

// ok runs a davit command that must succeed.
func (s *site) ok(t *testing.T, args ...string) string {
	t.Helper()
	return s.ends(t, []int{0}, args...).out
}

// oneLine checks that a failure is told in one line, and perhaps a hint.
func oneLine(t *testing.T, r result) {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(r.err), "\n"), func(l string) bool {
		return strings.HasPrefix(l, "hint: ")
	})
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "davit: ") {
		t.Errorf("not told in one line:\n%s", r.err)
	}
}

// createReport is what the tests read of `backup create --json`.
type createReport struct {
	Snapshot string
	Complete bool
	Items    []struct {
		Kind, Name string
		Consistent bool
	}
	Freezes []struct {
		Containers []string
		Seconds    float64
		Exceeded   bool
	}
}

// create runs backup create and returns its report. A freeze may be long: the machine may be busy.
func (s *site) create(t *testing.T, codes []int, args ...string) createReport {
	t.Helper()
	r := s.ends(t, codes, append([]string{"backup", "create", "--json", "--progress", "none", "--max-freeze", "60s"}, args...)...)
	var report createReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("read report: %v\n%s", err, r.out)
	}
	return report
}

// restored restores an item to a folder, in place of what was restored there before, and returns it.
func (s *site) restored(t *testing.T, spec string) string {
	t.Helper()
	out := filepath.Join(s.disk, "out")
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	s.ok(t, "backup", "restore", "--progress", "none", spec, "--to", out)
	return out
}

// tree describes a folder.
func tree(t *testing.T, dir string) enginetest.Tree {
	t.Helper()
	tree, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// same compares two trees.
func same(t *testing.T, what string, want, got enginetest.Tree) {
	t.Helper()
	diff := want.Diff(got)
	for _, line := range diff[:min(len(diff), 20)] {
		t.Errorf("%s: %s", what, line)
	}
}

// eventually polls until something is so.
func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
