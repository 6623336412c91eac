//go:build integration

package hosttest

import (
	"encoding/json"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// Within one file system the data is renamed, and renamed back, or shared on disk; and without holding, containers start with the engine.
func TestMethods(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5", Disks: []string{"xfs:4G"}})
	before := h.inventory()
	lines := h.count()
	ok := func(root string) {
		t.Helper()
		h.settled(before)
		h.works(lines)
		lines = h.count()
		if got := h.root(); got != root {
			t.Errorf("the engine works in %s, not %s", got, root)
		}
	}
	run := func(to, flags string) (shared int64) {
		t.Helper()
		out, _ := h.davit(0, "migrate run --yes --json --to "+to+" "+flags)
		var a struct{ Report struct{ Shared int64 } }
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ok(to)
		return a.Report.Shared
	}

	special := h.special("/var/lib/docker")
	run("/srv/docker", "--method rename")
	h.must("! ls /var/lib/docker/volumes 2> /dev/null")
	h.davit(0, "migrate rollback --yes") // nothing is lost: there is only one copy
	ok("/var/lib/docker")
	h.must("! ls /srv/docker 2> /dev/null")
	if got := h.special("/var/lib/docker"); got != special {
		t.Errorf("renamed and back: %s\nbefore: %s", got, special)
	}
	h.clean()

	run("/mnt/disk1/first", "--no-hold")
	h.davit(0, "migrate commit --yes")
	if shared := run("/mnt/disk1/second", "--method reflink"); shared < 1<<20 {
		t.Errorf("%d bytes are shared", shared)
	}
	if got := h.special("/mnt/disk1/second"); got != special {
		t.Errorf("reflinks: %s\nbefore: %s", got, special)
	}
	if out, errs := h.davit(1, "migrate rollback --yes"); !strings.Contains(out+errs, "--sync-back") {
		t.Errorf("%s%s", out, errs)
	}
	h.davit(0, "migrate rollback --sync-back --yes")
	ok("/mnt/disk1/first")
	h.must("rm -rf /mnt/disk1/second")
	if shared := run("/mnt/disk1/third", ""); shared < 1<<20 { // by itself
		t.Errorf("%d bytes are shared", shared)
	}
	h.davit(0, "migrate rollback --lose-writes --yes")
	h.settled(before)
	if got := h.root(); got != "/mnt/disk1/first" {
		t.Errorf("the engine works in %s", got)
	}
}

// Most of a rollback with sync-back is copied while the containers run: they are down for the rest only.
func TestSyncBackIsShort(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before := h.inventory()
	h.must("docker exec onfailure sh -c 'dd if=/dev/urandom of=/files/big bs=1M count=100 2> /dev/null; sync'")
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes")
	lines := h.lines(3)
	h.must("docker exec onfailure sh -c 'echo since > /files/since'")
	out, _ := h.davit(0, "migrate rollback --sync-back --yes --json")
	var a struct {
		Report struct {
			Passes []struct {
				Final bool
				Bytes int64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	passes := a.Report.Passes
	if n := len(passes); n < 2 || passes[0].Final || passes[0].Bytes < 100<<20 || !passes[n-1].Final || passes[n-1].Bytes > 10<<20 {
		t.Errorf("%+v", passes)
	}
	h.settled(before)
	h.works(lines)
	h.must("[ $(docker exec onfailure cat /files/since) = since ]; [ $(docker info -f '{{.DockerRootDir}}') = /var/lib/docker ]")
	h.clean()
}
