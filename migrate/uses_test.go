package migrate

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// A process in a folder and a mount below it are found, and nothing else is.
func TestUnused(t *testing.T) {
	dir := enginetest.Disk(t, 16<<20)
	root := filepath.Join(dir, "root [x] y")
	for _, d := range []string{root, root + "2", filepath.Join(root, "m")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	beside := exec.Command("sleep", "300")
	beside.Dir = root + "2"
	begin(t, beside)
	if err := unused(root); err != nil {
		t.Error(err)
	}
	inside := exec.Command("sleep", "300")
	inside.Dir = root
	begin(t, inside)
	used(t, root, "sleep (pid ")
	_ = inside.Process.Kill()
	_ = inside.Wait()
	if err := exec.Command("mount", "-t", "tmpfs", "none", filepath.Join(root, "m")).Run(); err != nil {
		t.Fatal(err)
	}
	used(t, root, "mounted: "+filepath.Join(root, "m"))
	enginetest.Unmount(t, filepath.Join(root, "m"))
	if err := unused(root); err != nil {
		t.Error(err)
	}
}

func begin(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// used waits for a use to be found: a process has its folder a moment after it was started.
func used(t *testing.T, root, want string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := unused(root)
		var busy *InUseError
		if errors.As(err, &busy) && strings.HasPrefix(busy.Uses[0], want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, want %s", err, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
