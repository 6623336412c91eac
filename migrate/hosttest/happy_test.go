//go:build integration

package hosttest

import (
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// On each engine everything is as before, on the new root, and the old one can be given up.
func TestMoveOnEachEngine(t *testing.T) {
	for _, o := range []enginetest.HostOptions{
		{Engine: "20.10"}, {Engine: "26.1", Disks: []string{"xfs:4G"}}, {Engine: "28.5"}, {Engine: "29", Disks: []string{"xfs:4G"}},
	} {
		t.Run(o.Engine, func(t *testing.T) {
			h := fullHost(t, o)
			before, lines := h.inventory(), h.count()
			special := h.special("/var/lib/docker")
			if o.Engine == "29" {
				special = h.special("/var/lib/containerd")
			}
			out, _ := h.davit(0, "migrate run --to /mnt/disk1/docker --verify full --yes --json")
			if !strings.Contains(out, `"outcome":"done"`) && !strings.Contains(out, `"outcome": "done"`) {
				t.Errorf("report: %s", out)
			}
			h.settled(before)
			h.works(lines)
			to, stores := "/mnt/disk1/docker", []string{"/mnt/disk1/docker"}
			if o.Engine == "29" {
				to, stores = "/mnt/disk1/docker/docker", []string{"/mnt/disk1/docker/containerd"}
			}
			if got := h.root(); got != to {
				t.Errorf("the engine works in %s", got)
			}
			if got := h.special(stores[0]); got != special {
				t.Errorf("new root: %s\nold root: %s", got, special)
			}
			h.rebooted(before, lines, to)
			h.davit(0, "migrate commit --delete-old --yes")
			h.must("! ls /var/lib/docker/volumes /var/lib/docker.davit* 2> /dev/null")
			h.rebooted(before, lines, to)
		})
	}
}

// rebooted boots the host again: the engine comes up where it was, with what ran before.
func (h *host) rebooted(inventory string, lines int, root string) {
	h.t.Helper()
	h.must("sync")
	h.PowerCut(h.t)
	h.Boot(h.t)
	h.waitFor("the engine answers", "docker info > /dev/null")
	if got := h.root(); got != root {
		h.t.Errorf("after a boot the engine works in %s, not %s", got, root)
	}
	h.must("docker start always unless onfailure plain paused web writer > /dev/null; docker stop stopped > /dev/null; docker unpause paused > /dev/null 2>&1; docker pause paused > /dev/null")
	h.settled(inventory)
	h.works(lines)
}
