package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// namingEngine is an engine with an object of each kind; its names begin with different letters. One that hangs does
// not answer before the test is over.
func namingEngine(t *testing.T, hangs bool) (endpoint string) {
	t.Helper()
	answers := map[string]any{
		"/containers/json": []any{map[string]any{"Id": "1", "Names": []string{"/web"}, "State": "exited"}},
		"/images/json":     []any{map[string]any{"Id": "sha256:1", "RepoTags": []string{"app:1"}}},
		"/volumes":         map[string]any{"Volumes": []any{map[string]any{"Name": "data"}}},
		"/networks":        []any{map[string]any{"Name": "front"}, map[string]any{"Name": "evil\x1b[31m\nrow"}},
	}
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hangs {
			<-over
		}
		w.Header().Set("Api-Version", "1.51")
		_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1."), "/")
		_ = json.NewEncoder(w).Encode(answers["/"+path])
	}))
}

// complete asks what words may become, the last of which is not finished.
func complete(t *testing.T, program, engine string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"__complete"}, words...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "DOCKER_HOST=" + engine}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("complete %q: %v", words, err)
	}
	return string(out)
}

// The completion of a shell names the engine's objects. On a busy machine an answer may come too late for it, so there
// is more than one try.
func TestDockerCompletion(t *testing.T) {
	program, engine := davitProgram(t), namingEngine(t, false)
	for _, c := range []struct{ words, want string }{
		{"start _", "web\n"}, {"rmi _", "app:1\n"}, {"volume rm _", "data\n"}, {"network rm _", "front\n"},
		{"run --network _", "front\n"}, {"volume _", "inspect\t"}, {"ps --fi_", "--filter\t"},
		{"_", "backup\t"}, {"im_", "images\t"}, {"backup _", "restore\t"}, {"backup restore --dr_", "--dry-run\t"},
	} {
		words := strings.Split(strings.TrimSuffix(c.words, "_"), " ")
		waitFor(t, "complete "+c.words+" has "+c.want, func() bool {
			return strings.Contains(complete(t, program, engine, words...), c.want)
		})
	}
	waitFor(t, "a network with a hostile name", func() bool {
		got := complete(t, program, engine, "network", "rm", "")
		if strings.Contains(got, "\x1b") || strings.Contains(got, "\nrow") {
			t.Fatalf("a hostile name comes as it is: %q", got)
		}
		return strings.Contains(got, `evil\x1b`)
	})
}

// An engine that does not answer costs the shell 200 ms, and what the program takes by itself.
func TestDockerCompletionGivesUp(t *testing.T) {
	program, engine := davitProgram(t), namingEngine(t, true)
	least := time.Hour
	waitFor(t, "an answer in 200 ms and a little", func() bool {
		begin := time.Now()
		if got := complete(t, program, engine, "start", ""); got != ":4\n" {
			t.Fatalf("with an engine that hangs: %q", got)
		}
		least = min(least, time.Since(begin))
		return least < 400*time.Millisecond
	})
	if least < 200*time.Millisecond {
		t.Errorf("it gave up after %s: the engine had no 200 ms", least)
	}
}

// Every shell completes with its script what is typed into it: words of both kinds and names of objects, also behind
// the colon of a tag and behind an equals sign.
func TestCompletionInShells(t *testing.T) {
	shells := map[string][]string{"bash": {"bash", "--norc", "--noprofile", "-i"}}
	if everything() {
		shells["zsh"] = []string{"zsh", "-f", "-i"}
		shells["fish"] = []string{"fish", "--no-config", "-i"}
	}
	program, engine := davitProgram(t), namingEngine(t, false)
	for shell, command := range shells {
		t.Run(shell, func(t *testing.T) {
			script, said, code := ask(t, program, "completion", shell)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, said)
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Env = []string{"PATH=" + filepath.Dir(program) + ":/usr/bin:/bin", "HOME=" + t.TempDir(), "TERM=xterm",
				"PS1=$ ", "LC_ALL=C.UTF-8", "DOCKER_HOST=" + engine}
			x := startTerminal(t, shell, cmd)
			load := "source " + file + "; echo lo''aded\n"
			if shell == "zsh" {
				load = "autoload -U compinit; compinit -D; " + load
			}
			waitFor(t, "the script is loaded", func() bool { // what is typed before the shell is ready may be lost
				x.send(load)
				return x.shows("loaded", 2*time.Second)
			})
			for _, c := range []struct{ typed, want string }{
				{"davit star", "start"}, {"davit start w", "web"}, {"davit rmi app:", "app:1"}, {"davit volume rm d", "data"},
				{"davit network disconnect fr", "front"}, {"davit run --network=fr", "--network=front"}, {"davit back", "backup"},
				{"davit backup restore --dr", "--dry-run"},
			} {
				waitFor(t, c.typed+" becomes "+c.want, func() bool {
					x.forget()
					x.send("\x15" + c.typed + "\t")
					return x.shows(c.want, 2*time.Second)
				})
			}
			x.send("\x15exit\n")
			x.code()
		})
	}
}

// The scripts are accepted by the shells that are there.
func TestCompletionScripts(t *testing.T) {
	program := davitProgram(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, said, code := ask(t, program, "completion", shell)
		if code != 0 || !strings.Contains(script, "__complete") {
			t.Errorf("completion %s: exit code %d: %s", shell, code, said)
			continue
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue // the script is not looked at by that shell here
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not accept its script: %v: %s", shell, err, out)
		}
	}
	if _, said, code := ask(t, program, "completion", "csh"); code == 0 || !slices.Contains(strings.Fields(said), "csh") {
		t.Errorf("completion csh: exit code %d: %s", code, said)
	}
}
