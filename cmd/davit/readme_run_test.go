package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// readmeBlock is a block of the README that is marked to be run: <!-- run --> before it, or <!-- run: empty --> when
// each of its lines is for an engine that has lost everything.
type readmeBlock struct {
	empty bool
	lines []string // commands, without what they print
}

func readmeBlocks(t *testing.T) (blocks []readmeBlock) {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(data), "\n<!-- run") {
		mark, rest, found := strings.Cut(part, "-->\n")
		if i == 0 || !found {
			continue
		}
		b := readmeBlock{empty: strings.Contains(mark, "empty")}
		transcript := strings.HasPrefix(strings.TrimLeft(rest, "\n"), "    $ ")
		for line := range strings.Lines(strings.TrimLeft(rest, "\n")) {
			line, isCode := strings.CutPrefix(line, "    ")
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if !isCode {
				break
			}
			command, isCommand := strings.CutPrefix(line, "$ ")
			if isCommand || !transcript {
				b.lines = append(b.lines, command)
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// TestReadmeRuns runs every marked block of the README, line by line and in its order, on an engine that has what the
// README speaks of. Only names of places are different: the repository, a scratch folder, and ids of snapshots.
func TestReadmeRuns(t *testing.T) {
	enginetest.NeedRoot(t)
	engine := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	site := readmeSite(t, engine)
	blocks := readmeBlocks(t)
	if len(blocks) < 8 {
		t.Fatalf("the README has %d blocks to run", len(blocks))
	}
	for _, b := range blocks {
		for _, line := range b.lines {
			if b.empty {
				site.loseEverything(t)
			}
			site.run(t, line)
		}
	}
}

// readmePlace is where the README's lines are run.
type readmePlace struct {
	engine *enginetest.Dockerd
	dir    string
	env    []string
}

// readmeSite makes the volumes, the image, the containers and the project that the README names.
func readmeSite(t *testing.T, engine *enginetest.Dockerd) *readmePlace {
	t.Helper()
	p := &readmePlace{engine: engine, dir: t.TempDir()}
	p.env = append(newerEnv(p.dir), "DOCKER_HOST="+engine.Host, "DAVIT_CONFIG_FILE="+filepath.Join(p.dir, "none.yaml"))
	engine.MakeImage(t, "shop:1", enginetest.File{Name: "etc/motd", Content: "shop\n"})
	for _, name := range []string{"pgdata", "www"} {
		engine.CLI(t, "volume", "create", name)
	}
	engine.RunContainer(t, "--name", "db", "--network", "none", "--label", "com.docker.compose.project=shop", "-v", "pgdata:/data", "-v", "www:/www", "shop:1")
	engine.CLI(t, "exec", "db", "sh", "-c", "mkdir -p /data/base /www/conf && echo row > /data/base/1 && echo listen > /www/conf/site")
	return p
}

func (p *readmePlace) loseEverything(t *testing.T) {
	t.Helper()
	for _, name := range strings.Fields(p.engine.CLI(t, "ps", "-aq")) {
		p.engine.CLI(t, "rm", "-f", name)
	}
	for _, name := range strings.Fields(p.engine.CLI(t, "volume", "ls", "-q")) {
		p.engine.CLI(t, "volume", "rm", name)
	}
	for _, name := range strings.Fields(p.engine.CLI(t, "images", "-q")) {
		p.engine.CLI(t, "rmi", "-f", name)
	}
}

// run runs a line as a shell does. A command that would ask gets --yes: there is no terminal to answer on.
func (p *readmePlace) run(t *testing.T, line string) {
	t.Helper()
	command, _, _ := strings.Cut(line, "   #")
	if variable, isExport := strings.CutPrefix(command, "export "); isExport {
		name, _, _ := strings.Cut(variable, "=")
		p.env = append(p.env, name+"="+filepath.Join(p.dir, "repo"))
		return
	}
	command = strings.NewReplacer("/srv/backup", filepath.Join(p.dir, "repo"), "/tmp/look", filepath.Join(p.dir, "look")).Replace(command)
	if strings.Contains(command, "3f2a91c0") {
		command = strings.ReplaceAll(command, "3f2a91c0", p.oldest(t, strings.Contains(command, "undelete")))
	}
	if words := strings.Fields(command); asks(t, words) {
		command += " --yes"
	}
	if out, err := p.shell(command); err != nil {
		t.Errorf("%s\n%v\n%s", command, err, out)
	}
}

// asks reports whether a line of davit may ask, and has not been told the answer.
func asks(t *testing.T, words []string) bool {
	t.Helper()
	if len(words) < 2 || words[0] != "davit" || strings.Contains(strings.Join(words, " "), "--yes") {
		return false
	}
	inv, err := read(thisHost().app(), words[1:])
	return err == nil && len(inv.path) > 0 && flagNamed(inv.path[len(inv.path)-1].Flags, "yes") != nil
}

// oldest is the id of the oldest snapshot, or of the one that was just forgotten.
func (p *readmePlace) oldest(t *testing.T, forgotten bool) string {
	t.Helper()
	command := "davit backup ls -q | tail -n 1"
	if forgotten {
		command = "davit backup undelete --json | head -n 1 | tr ',' '\\n' | sed -n 's/.*\"id\":\"\\([0-9a-f]*\\)\".*/\\1/p'"
	}
	out, err := p.shell(command)
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(out)
}

func (p *readmePlace) shell(command string) (string, error) {
	cmd := exec.Command("bash", "-c", command)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
