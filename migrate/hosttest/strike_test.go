//go:build integration

package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/migrate"
)

// answer is how a davit ended that ran beside the test.
type answer struct {
	out  string
	code int
}

// begin starts davit in the host and does not wait for it.
func (h *host) begin(args string) <-chan answer {
	ended := make(chan answer, 1)
	go func() {
		out, err, code := h.Run(h.t, "sh", "-c", "davit "+args)
		ended <- answer{out + err, code}
	}()
	return ended
}

// reach waits until a run has come to a step, or beyond, and returns the step; "" when it has ended meanwhile. root is the
// host's, so that no time is lost.
func (h *host) reach(root, step string) string {
	h.t.Helper()
	order := map[string]int{}
	for i, s := range migrate.Steps() {
		order[string(s)] = i
	}
	file := filepath.Join(root, "var/lib/davit/migrate/journal.json")
	mark, under := fmt.Appendf(nil, "%q: %q", "step", step), false
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if bytes.Contains(data, []byte(`"outcome"`)) {
			if under {
				return ""
			}
			continue // of the migration before this one
		}
		under = true
		if bytes.Contains(data, mark) {
			return step
		}
		_, after, _ := bytes.Cut(data, []byte(`"step": "`))
		is, _, _ := bytes.Cut(after, []byte(`"`))
		if n, ok := order[string(is)]; ok && n > order[step] {
			return string(is)
		}
	}
	h.t.Fatalf("the run did not come to %q\n%s", step, h.journal())
	return ""
}

// worker finds the process that moves the data, as this machine sees it.
func (h *host) worker(root string) int {
	h.t.Helper()
	return h.process(root, "work")
}

// process finds the davit that a unit of the host runs to do something.
func (h *host) process(root, what string) int {
	h.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if pid := running(root, what); pid > 0 {
			return pid
		}
	}
	h.t.Fatalf("there is no davit to %s\n%s", what, h.journal())
	return 0
}

// running is process for one look; 0 when there is none.
func running(root, what string) int {
	mine := func(pid string) string { s, _ := os.Readlink("/proc/" + pid + "/ns/pid"); return s }
	ours := mine(strings.Split(root, "/")[2])
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		data, _ := os.ReadFile(path)
		pid := strings.Split(path, "/")[2]
		if bytes.HasSuffix(data, []byte("\x00"+migrate.Subcommand+"\x00"+what+"\x00")) && mine(pid) == ours {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// kill sends SIGKILL to the worker of a run that is beginning, in a step, a little after it has begun.
func (h *host) kill(step string, after time.Duration, args string) (at string, a answer) {
	h.t.Helper()
	root := h.Root(h.t)
	ended := h.begin(args)
	pid := h.worker(root)
	at = h.reach(root, step)
	time.Sleep(after)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
		h.t.Fatal(err)
	}
	return at, <-ended
}

// clean checks that nothing is left of a migration that was undone.
func (h *host) clean() {
	h.t.Helper()
	h.waitFor("nothing is left", `[ "$(systemctl is-enabled docker.service docker.socket | sort -u)" = enabled ] &&
	! ls /etc/systemd/system/*.d/*davit* /etc/systemd/system/*davit* /run/systemd/system/docker.* 2> /dev/null && [ "$(docker info -f '{{.DockerRootDir}}')" = /var/lib/docker ]`)
}

// says checks words of a status.
func (h *host) says(words ...string) {
	h.t.Helper()
	text, _ := h.status()
	for _, w := range words {
		if !strings.Contains(text, w) {
			h.t.Errorf("status does not say %q:\n%s", w, text)
		}
	}
}

// back returns to the old root, so that the next test finds everything as it was.
func (h *host) back() {
	h.t.Helper()
	h.davit(0, "migrate rollback --sync-back --yes")
	if got := h.root(); got != "/var/lib/docker" {
		h.t.Fatalf("after the rollback the engine works in %s\n%s", got, h.journal())
	}
	h.must("rm -rf /mnt/disk1/docker")
}

// A worker that is killed in any step is undone, or brought to its end, by the unit that it ran in.
func TestKilledInEachStep(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5"})
	before := h.inventory()
	for _, after := range []time.Duration{0, 150 * time.Millisecond} {
		for _, step := range migrate.Steps() {
			t.Run(fmt.Sprintf("%s+%s", strings.ReplaceAll(string(step), " ", "-"), after), func(t *testing.T) {
				h.t = t
				lines := h.count()
				at, a := h.kill(string(step), after, "migrate run --to /mnt/disk1/docker --yes")
				_, outcome := h.state()
				t.Logf("struck in %q: %s, exit code %d", at, outcome, a.code)
				h.settled(before)
				h.works(lines)
				switch outcome {
				case string(migrate.Done):
					if a.code != 0 {
						t.Errorf("exit code %d of a run that went on to its end: %s", a.code, a.out)
					}
					h.says("done", "/mnt/disk1/docker", "davit migrate commit")
					if got := h.root(); got != "/mnt/disk1/docker" {
						t.Errorf("the engine works in %s", got)
					}
					h.back()
					h.settled(before)
					h.works(lines)
				case string(migrate.RolledBack):
					if a.code != 1 {
						t.Errorf("exit code %d of a run that was undone: %s", a.code, a.out)
					}
					h.says("rolled back", "/var/lib/docker")
				case string(migrate.Interrupted):
					h.says("interrupted", "davit migrate resume")
				default:
					t.Errorf("the outcome is %q: %s", outcome, a.out)
				}
				h.clean()
			})
		}
	}
	h.t = t
	h.kill("copy", 0, "migrate run --to /mnt/disk1/docker --yes --bwlimit 2MB")
	if _, outcome := h.state(); outcome != string(migrate.Interrupted) {
		t.Fatalf("killed while copying: %q", outcome)
	}
	lines := h.count()
	h.davit(0, "migrate resume --yes")
	h.settled(before)
	h.works(lines)
	if got := h.root(); got != "/mnt/disk1/docker" {
		t.Errorf("after resume the engine works in %s", got)
	}
}

// After a power cut in any step the host boots with a working engine on one of the roots, and davit knows which.
func TestPowerCutInEachStep(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5"})
	before := h.inventory()
	for _, step := range migrate.Steps() {
		t.Run(strings.ReplaceAll(string(step), " ", "-"), func(t *testing.T) {
			h.t = t
			h.must("sync")
			lines := h.count()
			root := h.Root(t)
			ended := h.begin("migrate run --to /mnt/disk1/docker --yes")
			pid := h.worker(root)
			at := h.reach(root, string(step))
			_ = unix.Kill(pid, unix.SIGSTOP) // what comes until the disks are cut off is not of this step
			h.boots()
			<-ended
			_, outcome := h.state()
			t.Logf("cut in %q: %q", at, outcome)
			h.settled(before)
			h.works(lines)
			if outcome == string(migrate.Done) {
				h.says("done", "/mnt/disk1/docker")
				h.back()
				h.settled(before)
			} else {
				h.says("/var/lib/docker")
				if outcome == "" { // nothing was installed yet that would look after it
					h.davit(0, "recover")
					if _, outcome = h.state(); outcome == "" {
						t.Error("davit recover has decided nothing")
					}
				}
			}
			h.clean()
		})
	}
}
