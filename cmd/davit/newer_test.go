package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/prune"
)

// program runs davit as a program and returns what it printed and its exit code.
func program(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Args[0], cmd.Stdout, cmd.Stderr = "davit", &out, &said
	cmd.Env = append(os.Environ(), env...)
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// newerThing is something that a newer davit left, and a command that comes upon it. DIR is the test's folder, with
// state, cache and data in it, and repo where the thing is in a repository.
type newerThing struct {
	name string
	file string // below DIR
	text string
	args string
	code int
}

// newerThings are all things that davit keeps, except the cache and the ledger of prune: see the tests below.
var newerThings = []newerThing{
	{"repository", "repo/davit/config.json", `{"version":99,"id":"x","later":true}`, "backup ls --repo DIR/repo", exitFailed},
	{"repository, to write", "repo/davit/config.json", `{"version":99}`, "backup create --repo DIR/repo --path DIR/data", exitFailed},
	{"guard journal", "state/guard/backup-1.jsonl", `{"v":99,"what":"later"}` + "\n", "recover", exitFailed},
	{"journal of a restore in place", "state/inplace/1.json", `{"version":99,"volumes":"later"}`, "backup restore --kept --repo DIR/repo", exitFailed},
	{"journal of a migration", "state/migrate/journal.json", `{"version":99,"plan":"later"}`, "migrate status", exitFailed},
	{"run record of a prune", "state/prune/runs/20261123-030000-abcdef.jsonl", `{"begin":{"format":99,"id":"20261123-030000-abcdef"}}` + "\n", "prune history", exitFailed},
	{"prune plan", "plan.json", `{"format":99,"later":true}`, "prune apply DIR/plan.json --yes", exitUsage},
	{"prune policy", "policy.yaml", "version: 99\nrules: []\n", "prune policy check DIR/policy.yaml", exitUsage},
	{"history of scans", "state/diskscan.json", `{"version":99,"scans":[]}`, "diskscan DIR/data --save", exitFailed},
}

// TestNewerIsRefused shows that what a newer davit left is refused in one line (and a way out), and not changed.
func TestNewerIsRefused(t *testing.T) {
	for _, thing := range newerThings {
		t.Run(thing.name, func(t *testing.T) {
			dir := newerFolder(t)
			file := filepath.Join(dir, thing.file)
			if strings.Contains(thing.args, "DIR/repo") {
				mustRun(t, dir, "backup init --repo DIR/repo")
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(thing.text), 0o600)); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			_, said, code := program(t, newerEnv(dir), strings.Fields(strings.ReplaceAll(thing.args, "DIR", dir))...)
			lines := strings.Count(said, "davit: ")
			if code != thing.code || lines != 1 || !strings.Contains(said, "99") || strings.Count(said, "\n") > 2 {
				t.Errorf("%s: exit code %d, want %d; said\n%s", thing.args, code, thing.code, said)
			}
			if after := contents(t, dir); !maps.Equal(before, after) {
				t.Errorf("%s changed something:\n%v\nnow\n%v", thing.args, before, after)
			}
		})
	}
}

// TestNewerCache shows that a newer cache is told, not used and not written over: the backup is made all the same.
func TestNewerCache(t *testing.T) {
	dir := newerFolder(t)
	mustRun(t, dir, "backup init --repo DIR/repo")
	const create = "backup create --repo DIR/repo --path DIR/data"
	mustRun(t, dir, create)
	changed := 0
	for path, text := range contents(t, filepath.Join(dir, "cache")) {
		if rest, is := strings.CutPrefix(text, "davit cache 1\n"); is {
			changed++
			if err := os.WriteFile(path, []byte("davit cache 99\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if changed == 0 {
		t.Fatal("the backup left no cache")
	}
	before := contents(t, filepath.Join(dir, "cache"))
	if said := mustRun(t, dir, create); !strings.Contains(said, "a newer davit wrote what is there") {
		t.Errorf("nothing is said of the cache:\n%s", said)
	}
	if after := contents(t, filepath.Join(dir, "cache")); !maps.Equal(before, after) {
		t.Error("the newer cache was changed")
	}
}

// TestNewerLedger: the commands that read the ledger ask an engine first, so it is read here as they read it.
func TestNewerLedger(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "prune", "used.json")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(`{"format":99}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := prune.LedgerOf(dir); err == nil || !strings.Contains(err.Error(), "99") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a newer ledger: %v", err)
	}
}

func newerFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o755), os.WriteFile(filepath.Join(dir, "data", "file"), []byte("text\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newerEnv(dir string) []string {
	return []string{"DAVIT_STATE_DIR=" + filepath.Join(dir, "state"), "DAVIT_CACHE_DIR=" + filepath.Join(dir, "cache"),
		"DOCKER_HOST=unix://" + filepath.Join(dir, "no-engine.sock")}
}

// mustRun returns all that a command printed that has to succeed.
func mustRun(t *testing.T, dir, args string) string {
	t.Helper()
	out, said, code := program(t, newerEnv(dir), strings.Fields(strings.ReplaceAll(args, "DIR", dir))...)
	if code != exitDone {
		t.Fatalf("%s: exit code %d: %s", args, code, said)
	}
	return out + said
}

// contents returns every file below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
