package enginetest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const victimEnv = "DAVIT_TEST_VICTIM"

// What a killed test leaves behind is swept by the next one, with a container that is
// paused and one that is always restarted; what a living test has is left alone.
func TestSweep(t *testing.T) {
	NeedRoot(t)
	if os.Getenv(victimEnv) != "" {
		beVictim(t)
		return
	}
	base := shortTemp(t, "sw")
	victim := exec.Command("/proc/self/exe", "-test.run=^TestSweep$", "-test.v")
	victim.Env = append(os.Environ(), victimEnv+"=1", "TMPDIR="+base)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	name := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "victim "); ok {
			name = rest
			break
		}
	}
	s := &scratch{name: name, outer: filepath.Join(base, name)}
	if name == "" || len(s.processes()) < 4 {
		t.Fatalf("the victim %q did not start: processes %v", name, s.processes())
	}
	if errs := sweep(base); len(errs) > 0 || len(s.processes()) < 4 {
		t.Fatalf("a living engine was swept: %v, processes %v", errs, s.processes())
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	victim.Wait()
	if errs := sweep(base); len(errs) > 0 {
		t.Errorf("sweep: %v", errs)
	}
	requireGone(t, &Dockerd{Dir: s.outer, Netns: name})
}

// shortTemp makes a folder with a name that leaves room for the sockets of an engine below it.
func shortTemp(t *testing.T, prefix string) string {
	t.Helper()
	in := os.TempDir()
	if len(in) > maxBase-len("/sw1234567890") {
		in = "/tmp"
	}
	dir, err := os.MkdirTemp(in, prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func beVictim(t *testing.T) {
	d := StartDockerd(t, DockerdOptions{})
	d.MakeImage(t, "base:1")
	d.RunContainer(t, "--name", "paused", "base:1")
	d.RunContainer(t, "--restart", "always", "base:1")
	d.CLI(t, "pause", "paused")
	os.Stdout.WriteString("\nvictim " + d.Netns + "\n")
	select {}
}

// Where its files are on overlayfs, as in a container, the engine gets a file system of
// its own.
func TestOnOverlay(t *testing.T) {
	NeedRoot(t)
	base := shortTemp(t, "ov")
	for _, dir := range []string{"l", "u", "w", "m"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := filepath.Join(base, "m")
	options := "lowerdir=" + base + "/l,upperdir=" + base + "/u,workdir=" + base + "/w"
	if err := unix.Mount("overlay", mount, "overlay", 0, options); err != nil {
		t.Skipf("optional: no overlayfs on this file system: %v", err)
	}
	t.Cleanup(func() { Unmount(t, mount) })
	t.Run("engine", func(t *testing.T) {
		d := StartDockerd(t, DockerdOptions{Disk: mount})
		if got := d.CLI(t, "info", "--format", "{{.Driver}}"); got != "overlay2" {
			t.Errorf("driver %s", got)
		}
		d.MakeImage(t, "base:1")
		if got := d.CLI(t, "run", "--rm", "base:1", "echo", "hello"); got != "hello" {
			t.Errorf("container says %q", got)
		}
	})
	if left, _ := filepath.Glob(mount + "/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
