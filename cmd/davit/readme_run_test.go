package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// TestReadmeRuns runs the blocks of the README that are marked so, line by line and in their order, on an engine that
// has what the README speaks of. Only names of places are different: the repository, a scratch folder, and ids of
// snapshots.
func TestReadmeRuns(t *testing.T) {
	enginetest.NeedRoot(t)
	engine := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	site := readmeSite(t, engine)
	run := 0
	for _, b := range readmeBlocks(t) {
		if b.mark != "<!-- run -->" && b.mark != "<!-- run: empty -->" {
			continue
		}
		for _, line := range b.commands() {
			if strings.Contains(b.mark, "empty") {
				site.loseEverything(t)
			}
			site.run(t, line)
			run++
		}
	}
	if run < 25 {
		t.Errorf("only %d lines were run", run)
	}
}

// TestReadmeRunsSealed runs the lines about encryption, with the commands of the library that davit encrypts with.
func TestReadmeRunsSealed(t *testing.T) {
	enginetest.NeedRoot(t)
	site := readmeSite(t, enginetest.StartDockerd(t, enginetest.DockerdOptions{}))
	tools := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", tools, "filippo.io/age/cmd/...").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	site.env = append(site.env, "PATH="+tools+":"+os.Getenv("PATH"), "DAVIT_REPO="+filepath.Join(site.dir, "repo"))
	if out, err := site.shell("echo one good passphrase > secret.txt && age-keygen -o other.txt && age-keygen -o third.txt"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, b := range readmeBlocks(t) {
		if b.mark != "<!-- run: sealed -->" {
			continue
		}
		for _, line := range b.commands() {
			site.runSealed(t, line)
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
	command, codes := readmeCommand(t, line)
	if variable, isExport := strings.CutPrefix(command, "export "); isExport {
		name, _, _ := strings.Cut(variable, "=")
		p.env = append(p.env, name+"="+filepath.Join(p.dir, "repo"))
		return
	}
	command = strings.NewReplacer("/srv/backup", filepath.Join(p.dir, "repo"), "/tmp/look", filepath.Join(p.dir, "look"),
		"/mnt/usb", filepath.Join(p.dir, "usb")).Replace(command)
	if strings.Contains(command, "3f2a91c0") {
		command = strings.ReplaceAll(command, "3f2a91c0", p.oldest(t, strings.Contains(command, "undelete")))
	}
	p.prepare(t, command)
	p.expect(t, command, codes)
}

// prepare makes what a line about restores in place begins with: a volume that is in use, and one that was replaced.
func (p *readmePlace) prepare(t *testing.T, command string) {
	t.Helper()
	inPlace := "davit backup restore latest:volume/pgdata --in-place"
	if strings.HasPrefix(command, inPlace) && p.engine.CLI(t, "ps", "-q") == "" {
		p.loseEverything(t)
		p.expect(t, "davit backup restore latest --containers --start --yes", []int{0})
	}
	if strings.HasPrefix(command, "davit backup restore --commit") {
		p.expect(t, inPlace+" --yes", []int{0})
	}
}

// runSealed is run for lines with recipients: age1… is the one of key.txt, then another; key adds and removes a third.
func (p *readmePlace) runSealed(t *testing.T, line string) {
	t.Helper()
	command, codes := readmeCommand(t, line)
	identities := []string{"key.txt", "other.txt"}
	if strings.Contains(command, "backup key") {
		identities = []string{"third.txt"}
	}
	for _, file := range identities {
		if strings.Contains(command, "age1…") {
			recipient, err := p.shell("age-keygen -y " + file)
			if err != nil {
				t.Fatalf("%v: %s", err, recipient)
			}
			command = strings.Replace(command, "age1…", strings.TrimSpace(recipient), 1)
		}
	}
	repository := filepath.Join(p.dir, "repo")
	if strings.Contains(command, "init") && strings.Contains(command, "--passphrase-file") {
		repository += "-of-a-passphrase"
	}
	command = strings.NewReplacer("/srv/backup", repository, "/tmp/look", filepath.Join(p.dir, "look")).Replace(command)
	if strings.Contains(command, "--from") { // there, on the other host
		command = "DAVIT_STATE_DIR=" + filepath.Join(p.dir, "other-host") + " " + command
	}
	p.expect(t, command, codes)
}

func (p *readmePlace) expect(t *testing.T, command string, codes []int) {
	t.Helper()
	out, err := p.shell(command)
	code := 0
	if exit := (*exec.ExitError)(nil); err != nil {
		if exit, _ = err.(*exec.ExitError); exit != nil {
			code = exit.ExitCode()
		} else {
			t.Fatal(err)
		}
	}
	if !slices.Contains(codes, code) {
		t.Errorf("%s\nexit code %d\n%s", command, code, out)
	}
}

var readmeCode = regexp.MustCompile(`exit (?:code )?(\d+)`)

// readmeCommand parts a line from its comment. It may end with 0, or as the comment says ("exit code 15 when …"), and
// gets --yes when it would ask.
func readmeCommand(t *testing.T, line string) (command string, codes []int) {
	t.Helper()
	command, comment, _ := strings.Cut(line, "  #")
	command = strings.TrimSpace(command)
	codes = []int{0}
	for _, found := range readmeCode.FindAllStringSubmatch(comment, -1) {
		code, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if asks(t, strings.Fields(command)) {
		command += " --yes"
	}
	return command, codes
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
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
