package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const parentEnv = "DAVIT_TEST_PARENT"

// A process goes with all that it has started, by whichever of its threads, also in the very moment in which it is killed.
func TestKillTree(t *testing.T) {
	if mark := os.Getenv(parentEnv); mark != "" {
		beParent(mark)
	}
	for round := range 2 {
		mark := fmt.Sprintf("%d.%06d%03d", 600, os.Getpid(), round) // seconds, as no other sleep has them
		parent := exec.Command("/proc/self/exe", "-test.run=^TestKillTree$")
		parent.Env = append(os.Environ(), parentEnv+"="+mark)
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); len(sleepers(t, mark)) < 4; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it starts nothing")
			}
		}
		killTree(parent.Process.Pid)
		_ = parent.Wait()
		left := sleepers(t, mark)
		for end := time.Now().Add(5 * time.Second); len(left) > 0 && time.Now().Before(end); left = sleepers(t, mark) {
			time.Sleep(time.Millisecond) // what is killed takes a moment to end
		}
		for _, pid := range left {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		if len(left) > 0 {
			t.Fatalf("round %d: %d processes live on", round, len(left))
		}
	}
}

// beParent starts processes from several threads until it is killed, or there are many.
func beParent(mark string) {
	for range 3 {
		go func() {
			runtime.LockOSThread()
			for range 25 {
				_ = exec.Command("sleep", mark).Start()
			}
			select {}
		}()
	}
	time.Sleep(time.Minute)
	os.Exit(1)
}

// sleepers are the processes that sleep for so long.
func sleepers(t *testing.T, mark string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if strings.HasSuffix(string(line), "\x00"+mark+"\x00") {
			var pid int
			if _, err := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
