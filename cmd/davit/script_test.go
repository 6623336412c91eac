package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"davit/backup"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	unix.Umask(0o022) // some tests look at modes, and some are made as another user
	testscript.Main(m, map[string]func(){"davit": main})
}

// TestScripts runs testdata/script: the real program against real folders, and against a fake engine where one is
// needed.
func TestScripts(t *testing.T) {
	endpoint, refusing := fakeEngine(t, false), fakeEngine(t, true)
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, errors.New("unknown condition")
			}
			return os.Geteuid() == 0, nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("DAVIT_STATE_DIR", filepath.Join(env.WorkDir, ".state"))
			env.Setenv("DAVIT_CACHE_DIR", filepath.Join(env.WorkDir, ".cache"))
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-engine.sock"))
			env.Setenv("FAKE_ENGINE", endpoint)
			env.Setenv("ENGINE_WITHOUT_HELPERS", refusing)
			env.Setenv("TZ", "UTC")
			// How the folder "data" of a script is named as an item, and below the target of a restore.
			env.Setenv("ITEM", backup.EncodeName(filepath.Join(env.WorkDir, "data")))
			env.Setenv("TREE", filepath.Join("path", backup.EncodeName(filepath.Join(env.WorkDir, "data"))))
			env.Setenv("BADNAME", filepath.Join(env.WorkDir, "evil\x1b[31m\nname"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":     scriptCode,
			"lines":    scriptLines,
			"tree":     scriptTree,
			"same":     scriptSame,
			"snapshot": scriptSnapshot,
			"flipblob": scriptFlipBlob,
		},
	})
}

// scriptCode runs a command that must end with an exit code: code 10 davit backup ls --repo none.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// scriptLines counts the lines of a stream: lines stderr 2.
func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines stdout|stderr N")
	}
	text := ts.ReadFile(args[0])
	if got := strings.Count(text, "\n"); strconv.Itoa(got) != args[1] {
		ts.Fatalf("%d lines on %s, want %s:\n%s", got, args[0], args[1], text)
	}
}

// scriptTree makes a folder with files whose names would harm a terminal, a script or a JSON reader: tree DIR.
func scriptTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tree DIR")
	}
	dir := ts.MkAbs(args[0])
	noise := make([]byte, 64<<10) // does not compress: its chunk is the largest blob
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for name, content := range map[string]string{
		"sub/noise":                 string(noise),
		"plain.txt":                 "plain\n",
		"sub/deeper/file":           strings.Repeat("content ", 1000),
		"esc\x1b]0;owned\a\x1b[31m": "esc\n",
		"new\nline":                 "newline\n",
		"latin1-\xe9":               "not UTF-8\n",
		"-dash":                     "dash\n",
		"empty":                     "",
	} {
		path := filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(content), 0o640))
	}
	ts.Check(os.Symlink("plain.txt", filepath.Join(dir, "link")))
	ts.Check(os.Link(filepath.Join(dir, "plain.txt"), filepath.Join(dir, "hard")))
	ts.Check(os.Mkdir(filepath.Join(dir, "hollow"), 0o700))
}

// scriptSnapshot puts the id of the newest snapshot into the environment: snapshot ID REPO.
func scriptSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snapshot VARIABLE REPO")
	}
	ts.Check(ts.Exec("davit", "backup", "ls", "-q", "--repo", args[1]))
	id, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	if id == "" {
		ts.Fatalf("no snapshot in %s", args[1])
	}
	ts.Setenv(args[0], id)
}

// scriptFlipBlob changes one byte in the middle of the largest blob: flipblob REPO.
func scriptFlipBlob(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flipblob REPO")
	}
	blobs := filepath.Join(ts.MkAbs(args[0]), "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	ts.Check(err)
	var largest []byte
	name := ""
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(blobs, e.Name()))
		ts.Check(err)
		if len(data) > len(largest) {
			largest, name = data, e.Name()
		}
	}
	largest[len(largest)/2] ^= 0xff
	ts.Check(os.WriteFile(filepath.Join(blobs, name), largest, 0o600))
}

// scriptSame compares two folders, or fails to with "!": names, kinds, modes, times, link targets and content.
func scriptSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] same DIR DIR")
	}
	one, two := describe(ts, args[0]), describe(ts, args[1])
	switch {
	case !neg && one != two:
		ts.Fatalf("%s and %s differ:\n%s\n--\n%s", args[0], args[1], one, two)
	case neg && one == two:
		ts.Fatalf("%s and %s are the same", args[0], args[1])
	}
}

func describe(ts *testscript.TestScript, dir string) string {
	root := ts.MkAbs(dir)
	var b strings.Builder
	ts.Check(filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		case info.Mode()&os.ModeSymlink != 0:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		b.WriteString(strconv.Quote(name) + " " + info.Mode().String() + " " + info.ModTime().String() + " " + strconv.Quote(content) + "\n")
		return nil
	}))
	return b.String()
}
