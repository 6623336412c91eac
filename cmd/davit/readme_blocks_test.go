package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// readmeBlock is one block of code of the README. The comment before it says what proves it:
//
//	<!-- run -->              its lines are run in order, on an engine that has what the README speaks of
//	<!-- run: empty -->       the same, and before each line the engine loses everything
//	<!-- run: sealed -->      run in a folder of its own, with age's commands
//	<!-- run: host -->        run on a host with systemd and a second disk (make integration)
//	<!-- check: policy -->    a file that `davit prune policy check` takes; likewise config
//	<!-- tested by NAME -->   a test, or a target of make, proves it
type readmeBlock struct {
	line  int // where it begins, from 1
	mark  string
	lines []string // without what sets them off
}

var readmeMark = regexp.MustCompile(`^<!-- (run|run: empty|run: sealed|run: host|check: policy|check: config|tested by (.+)) -->$`)

// readmeBlocks finds the blocks: lines that are indented by four spaces, and those between fences.
func readmeBlocks(t *testing.T) (blocks []readmeBlock) {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var b *readmeBlock
	before, fenced := "", false
	for i, line := range strings.Split(string(data), "\n") {
		code, indented := strings.CutPrefix(line, "    ")
		isFence := strings.HasPrefix(line, "```")
		switch {
		case isFence && !fenced, indented && b == nil:
			if b != nil {
				blocks = append(blocks, *b)
			}
			b = &readmeBlock{line: i + 1, mark: before}
			if indented {
				b.lines = append(b.lines, code)
			}
			fenced = isFence
		case isFence, b != nil && !fenced && !indented && line != "":
			blocks = append(blocks, *b)
			b, fenced = nil, false
		case fenced:
			b.lines = append(b.lines, line)
		case b != nil:
			b.lines = append(b.lines, code)
		}
		if line != "" && b == nil {
			before = line
		}
	}
	return blocks
}

// commands are the lines to be run, without what they print.
func (b readmeBlock) commands() (list []string) {
	transcript := strings.HasPrefix(b.lines[0], "$ ")
	for _, line := range b.lines {
		command, isCommand := strings.CutPrefix(line, "$ ")
		if line = strings.TrimSpace(command); line != "" && (isCommand || !transcript) {
			list = append(list, line)
		}
	}
	return list
}

// TestReadmeBlocksAreProven shows that every block of the README says what proves it, and that this exists.
func TestReadmeBlocksAreProven(t *testing.T) {
	blocks := readmeBlocks(t)
	if len(blocks) < 20 {
		t.Fatalf("found only %d blocks", len(blocks))
	}
	tests, err := exec.Command("grep", "-rhoE", "--exclude-dir=.git", "--include=*_test.go", "--include=Makefile", `^func Test\w+|^[a-z-]+:`, "../..").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		found := readmeMark.FindStringSubmatch(b.mark)
		if found == nil {
			t.Errorf("README.md:%d: no comment before it says what proves it, such as <!-- run --> (see readmeBlock): %s", b.line, b.lines[0])
			continue
		}
		if name := found[2]; name != "" {
			target, isMake := strings.CutPrefix(name, "make ")
			if isMake {
				name = target + ":"
			} else {
				name = "func " + name
			}
			if !bytes.Contains(append([]byte("\n"), tests...), []byte("\n"+name+"\n")) {
				t.Errorf("README.md:%d: there is no %s", b.line, found[2])
			}
		}
	}
}

// TestReadmeFiles shows that davit takes the files that the README shows.
func TestReadmeFiles(t *testing.T) {
	for _, b := range readmeBlocks(t) {
		kind, isFile := strings.CutPrefix(b.mark, "<!-- check: ")
		if !isFile {
			continue
		}
		path := t.TempDir() + "/file.yaml"
		if err := os.WriteFile(path, []byte(strings.Join(b.lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"config", "check", path}
		if strings.HasPrefix(kind, "policy") {
			args = []string{"prune", "policy", "check", path}
		}
		if out, said, code := program(t, newerEnv(t.TempDir()), args...); code != exitDone {
			t.Errorf("README.md:%d: exit code %d: %s%s", b.line, code, out, said)
		}
	}
}
