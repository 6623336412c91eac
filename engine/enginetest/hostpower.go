package enginetest

import (
	"os/exec"
	"strings"
	"testing"
)

// PowerCut ends the host as a power cut does: what was not synced is lost.
func (h *Host) PowerCut(t testing.TB) {
	t.Helper()
	h.must(t, "powercut", h.name)
}

// Boot starts the host again from the same disk.
func (h *Host) Boot(t testing.TB) {
	t.Helper()
	h.must(t, "start", h.name)
}

// Root is the host's root folder, as this machine sees it while the host runs: sockets in it can be connected to.
func (h *Host) Root(t testing.TB) string {
	t.Helper()
	cmd := exec.Command(h.script, "pid", h.name)
	cmd.Env = h.env
	pid, err := cmd.Output()
	if err != nil {
		t.Fatalf("testhost pid: %v", err)
	}
	return "/proc/" + strings.TrimSpace(string(pid)) + "/root"
}

// Crash kills everything in the host at once; what was written is on its disks.
func (h *Host) Crash(t testing.TB) {
	t.Helper()
	h.must(t, "crash", h.name)
}
