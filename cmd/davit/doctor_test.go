package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/backup/doctor"
	"davit/engine/enginetest"
)

// examine runs davit doctor and returns its findings by check.
func examine(t *testing.T, env []string, args ...string) (map[string]doctor.Finding, int) {
	t.Helper()
	out, said, code := program(t, env, append([]string{"doctor", "--json"}, args...)...)
	found := map[string]doctor.Finding{}
	for line := range strings.Lines(out) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s\n%s", err, line, said)
		}
		found[f.Check] = f
	}
	return found, code
}

func (e findings) want(t *testing.T, check string, level doctor.Level, text string) {
	t.Helper()
	if f := e[check]; f.Level != level || !strings.Contains(f.Text, text) {
		t.Errorf("%s: %+v, want %s with %q", check, f, level, text)
	}
}

type findings map[string]doctor.Finding

// TestDoctorWithoutAnEngine follows a repository from its absence to its first backup; nothing is made by looking.
func TestDoctorWithoutAnEngine(t *testing.T) {
	dir := newerFolder(t)
	env, repoDir := append(newerEnv(dir), "DAVIT_CONFIG_FILE="+filepath.Join(dir, "config.yaml")), filepath.Join(dir, "repo")

	found, code := examine(t, env, "--repo", repoDir)
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	findings(found).want(t, "engine", doctor.Problem, "no socket")
	findings(found).want(t, "repository", doctor.Problem, "no repository here")
	findings(found).want(t, "configuration", doctor.Warning, "nothing is backed up by itself")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("looking has made something: %v, %v", entries, err)
	}

	mustRun(t, dir, "backup init --repo DIR/repo")
	found, _ = examine(t, env, "--repo", repoDir)
	findings(found).want(t, "last backup", doctor.Problem, "holds no complete snapshot")

	mustRun(t, dir, "backup create --repo DIR/repo --path DIR/data")
	text := "version: 1\nrepositories: {main: {path: " + repoDir + "}}\njobs: {nightly: {what: {paths: [" + filepath.Join(dir, "data") + "]}}}\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ = examine(t, env)
	findings(found).want(t, "last backup", doctor.OK, "less than a minute ago")
	findings(found).want(t, "leftovers", doctor.OK, "none")

	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("version: 1\njobz: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ = examine(t, env)
	findings(found).want(t, "configuration", doctor.Problem, "jobz")
}

// TestDoctorWithAnEngine shows that a real engine on this host is found to be one.
func TestDoctorWithAnEngine(t *testing.T) {
	enginetest.NeedRoot(t)
	engine := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	dir := newerFolder(t)
	env := append(newerEnv(dir), "DOCKER_HOST="+engine.Host, "DAVIT_CONFIG_FILE="+filepath.Join(dir, "config.yaml"))
	mustRun(t, dir, "backup init --repo DIR/repo")
	mustRun(t, dir, "backup create --repo DIR/repo --path DIR/data")
	found, code := examine(t, env, "--repo", filepath.Join(dir, "repo"))
	findings(found).want(t, "engine", doctor.OK, engine.Version)
	findings(found).want(t, "last backup", doctor.OK, "ago")
	if code != exitDone {
		t.Errorf("exit code %d with %+v", code, found)
	}
}
