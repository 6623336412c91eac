package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"davit/engine/enginetest"

	"github.com/rivo/uniseg"
)

// Whoever may not read everything gets the rest, the reason, a way out, and exit code 3.
func TestDiskscanDenied(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Disk(t, 64<<20) // folders of tests are closed to others
	root := filepath.Join(disk, "docker")
	makeStoreIn(t, root)
	program, err := exec.LookPath("davit")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{
		os.Chmod(filepath.Join(root, "volumes/data/_data"), 0o700),
		os.Chmod(filepath.Join(root, "image/overlay2/repositories.json"), 0o600),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	link := openProgram(t, program)
	cmd := exec.Command("/proc/self/fd/3", "diskscan", "--offline", root)
	cmd.Path, cmd.Args[0] = "/proc/self/fd/3", "davit"
	cmd.ExtraFiles = []*os.File{link}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Env = append(os.Environ(), "DAVIT_STATE_DIR="+disk+"/state", "HOME=/nonexistent")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &said, "/"
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitPartial {
		t.Fatalf("%v: %s%s", err, out.String(), said.String())
	}
	for _, want := range []string{"volume free", "not read: " + filepath.Join(root, "volumes/data/_data") + ": permission denied"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if !strings.Contains(said.String(), "davit: could not read everything: ") || !strings.Contains(said.String(), "hint: run it as root") {
		t.Errorf("said %s", said.String())
	}
}

// openProgram opens a program that others could not reach by its path.
func openProgram(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// On a terminal of 80 columns and 24 lines, whatever names there are, all tables fit.
func TestDiskscanFitsTerminal(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Disk(t, 64<<20)
	root := filepath.Join(disk, "docker")
	makeStoreIn(t, root)
	long := filepath.Join(root, "volumes", strings.Repeat("very-long-name-", 10), "_data", strings.Repeat("file", 40))
	if err := errors.Join(os.MkdirAll(filepath.Dir(long), 0o755), os.WriteFile(long, make([]byte, 1<<20), 0o600)); err != nil {
		t.Fatal(err)
	}
	x := startOn(t, 24, 80, "diskscan", "--offline", "--progress", "none", root)
	if code := x.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	fitsSmallScreen(t, x.screen())
	for line := range strings.Lines(x.screen()) {
		if line = strings.TrimRight(line, "\r\n"); uniseg.StringWidth(line) > 80 && !strings.HasPrefix(line, "  holds ") {
			t.Errorf("%d columns: %q", uniseg.StringWidth(line), line)
		}
	}
}
