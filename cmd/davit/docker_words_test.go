package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/cmd/davit/dockercmd"
)

// A line goes to docker's commands exactly when its first word behind the global flags is docker's.
func TestDockerWord(t *testing.T) {
	for text, want := range map[string]string{
		"ps -a":                                  "ps",
		"-H unix:///x ps":                        "ps",
		"-Hunix:///x ps":                         "ps",
		"--host=unix:///x --debug ps":            "ps",
		"-D -l debug --tlsverify ps":             "ps",
		"-Dc name ps":                            "ps",
		"--state-dir ps --cache-dir=x images":    "images",
		"help run":                               "run",
		"--help ps":                              "ps",
		"backup ls":                              "backup",
		"--context ps":                           "",
		"--frob ps":                              "",
		"-v":                                     "",
		"":                                       "",
		"-- ps":                                  "",
		"--config /x --host unix:///y volume ls": "volume",
	} {
		if got := dockercmd.Look(strings.Fields(text), "state-dir", "cache-dir").Word; got != want {
			t.Errorf("%q: first word %q, want %q", text, got, want)
		}
	}
}

// davitProgram returns a folder with the program, to be run as davit.
func davitProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "davit")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// ask runs a program without an engine.
func ask(t *testing.T, program string, words ...string) (out, said string, code int) {
	t.Helper()
	cmd := exec.Command(program, words...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "DOCKER_HOST=unix:///nonexistent/engine.sock", "LC_ALL=C.UTF-8"}
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// What docker can and davit does not is refused in one line that says what to use.
func TestDockerForeignWords(t *testing.T) {
	program := davitProgram(t)
	for _, words := range []string{
		"build .", "builder prune", "buildx ls", "compose up -d", "swarm init", "stack ls", "service ls", "node ls", "secret ls",
		"plugin ls", "context ls", "trust inspect", "manifest inspect x", "checkpoint ls x", "image build .",
	} {
		out, said, code := ask(t, program, strings.Fields(words)...)
		if code != 1 || out != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, "use docker ") {
			t.Errorf("davit %s: exit code %d, prints %q, says %q", words, code, out, said)
		}
	}
}

// An unknown flag is one line and exit code 125 with every command, wherever it stands; nothing is asked of an engine.
func TestDockerUnknownFlag(t *testing.T) {
	program := davitProgram(t)
	lines := []string{"ps --frob", "rm x --frob", "save base:1 --frob", "volume prune -f --frob", "run -z base:1", "system df --frob"}
	for _, g := range dockercmd.Groups() {
		for _, word := range g.Words {
			lines = append(lines, word+" --frob")
		}
	}
	for _, words := range lines {
		_, said, code := ask(t, program, strings.Fields(words)...)
		if code != 125 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "davit: ") {
			t.Errorf("davit %s: exit code %d, says %q", words, code, said)
		}
	}
	for _, words := range []string{"rename x", "run", "volume", "volume frob", "rm"} {
		if _, said, code := ask(t, program, strings.Fields(words)...); code != 1 && words != "volume" || strings.Contains(said, "docker") {
			t.Errorf("davit %s: exit code %d, says %q", words, code, said)
		}
	}
}

// differentFlags are the flags that one of the two has and the other has not.
func differentFlags() map[string]string {
	return map[string]string{
		"container prune --dry-run": "davit's own: shows what would go",
		"image prune --dry-run":     "davit's own: shows what would go",
		"volume prune --dry-run":    "davit's own: shows what would go",
		"network prune --dry-run":   "davit's own: shows what would go",
		"system prune --dry-run":    "davit's own: shows what would go",
	}
}

var helpFlag = regexp.MustCompile(`(?m)^ +(?:-(\w), )?--([\w-]+)( [\w-]+)?  `)

// Every command of docker's client that is in scope exists and has the same flags, with the same short names and
// kinds of value, as its own help pages tell.
func TestDockerFlags(t *testing.T) {
	docker, davit := dockerClient(t), davitProgram(t)
	different, seen, commands, all := differentFlags(), 0, 0, map[string][]string{}
	for _, g := range dockercmd.Groups() {
		for _, word := range g.Words {
			for _, path := range dockerCommands(t, docker, word) {
				commands++
				want, got := flagsOf(t, docker, path), flagsOf(t, davit, path)
				seen += len(want)
				all[path] = append([]string{}, want...)
				for _, flag := range append(slices.Clone(want), got...) {
					if slices.Contains(want, flag) != slices.Contains(got, flag) && different[path+" --"+strings.Fields(flag)[0]] == "" {
						t.Errorf("%s: flag %s: docker has it: %t, davit: %t", path, flag, slices.Contains(want, flag), slices.Contains(got, flag))
					}
				}
			}
		}
	}
	if commands < 90 || seen < 600 {
		t.Errorf("only %d commands with %d flags were compared", commands, seen)
	}
	t.Run("used by lines", func(t *testing.T) { checkEveryFlagUsed(t, all) })
}

var helpCommand = regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`)

// dockerCommands returns a command, or the commands of a group.
func dockerCommands(t *testing.T, docker, word string) []string {
	out, _, _ := ask(t, docker, word, "--help")
	_, list, isGroup := strings.Cut(out, "\nCommands:\n")
	if !isGroup {
		return []string{word}
	}
	var paths []string
	for _, m := range helpCommand.FindAllStringSubmatch(list, -1) {
		if m[1] != "build" {
			paths = append(paths, word+" "+m[1])
		}
	}
	return paths
}

func flagsOf(t *testing.T, program, path string) []string {
	out, _, _ := ask(t, program, append(strings.Fields(path), "--help")...)
	if !strings.Contains(out, "Usage:") {
		t.Errorf("%s %s --help prints %q", filepath.Base(program), path, out)
	}
	var flags []string
	for _, m := range helpFlag.FindAllStringSubmatch(out, -1) {
		flags = append(flags, m[2]+" -"+m[1]+m[3])
	}
	return flags
}

// Every command has a manual page: ours with their examples, docker's with their flags.
func TestManPages(t *testing.T) {
	program, dir := davitProgram(t), t.TempDir()
	if _, said, code := ask(t, program, "__man", dir); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	for name, wants := range map[string][]string{
		"davit": {"backup", "container", "davit-backup(1)", "--state-dir"}, "davit-backup": {"davit-backup-create(1)"},
		"davit-backup-create": {"--consistency HOW", "Examples", "Exit codes"}, "davit-run": {"-p, --publish list"},
		"davit-container-prune": {"--dry-run", "until=<timestamp>"}, "davit-save": {".tar.zst"}, "davit-version": {"--format"},
	} {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		for _, want := range wants {
			if text := strings.ReplaceAll(string(page), `\-`, "-"); err != nil || !strings.Contains(text, want) {
				t.Errorf("%s: %v, without %q", name, err, want)
			}
		}
	}
	for _, g := range dockercmd.Groups() {
		for _, word := range g.Words {
			if _, err := os.Stat(filepath.Join(dir, "davit-"+word+".1")); err != nil {
				t.Errorf("no page: %v", err)
			}
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.1")); err != nil || len(files) < 120 {
		t.Errorf("only %d pages: %v", len(files), err)
	}
}

// The first screen costs at most half of the CPU that docker's takes on the same machine, docker's commands
// notwithstanding: they are built when they are meant.
func TestHelpIsQuick(t *testing.T) {
	least := func(program string, most time.Duration) time.Duration {
		least := time.Hour
		for round := 0; round < 10 || round < 100 && least > most; round++ { // the machine has bad moments
			cmd := exec.Command(program, "--help")
			cmd.Env = []string{"HOME=/nonexistent"}
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			least = min(least, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
		return least
	}
	docker := least(dockerClient(t), time.Hour)
	if davit := least(davitProgram(t), docker/2); davit > docker/2 {
		t.Errorf("davit --help takes %s of CPU, docker --help %s", davit, docker)
	}
}
