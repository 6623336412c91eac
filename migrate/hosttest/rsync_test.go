//go:build integration

package hosttest

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
)

// Between old and new root rsync finds nothing to do, checksums included, once the last pass is over.
func TestRsyncFindsNoDifference(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10", Disks: []string{"ext4:2G", "xfs:2G"}})
	for _, disk := range []string{"/mnt/disk1", "/mnt/disk2"} {
		pid, ended := h.stopVerifying("migrate run --verify full --yes --to " + disk + "/docker")
		// The engine empties tmp, makes the device anew, and XFS shows ACLs a second time.
		out := h.must("rsync -aHAXSnc --numeric-ids --delete --itemize-changes --exclude /tmp --exclude /overlay2/backingFsBlockDev " +
			"--filter='-x! trusted.SGI_ACL_*' /var/lib/docker/ " + disk + "/docker/ 2>&1 || true")
		if strings.Contains(out, "filter") {
			out = h.must("rsync -aHAXSnc --numeric-ids --delete --itemize-changes --exclude /tmp --exclude /overlay2/backingFsBlockDev /var/lib/docker/ " + disk + "/docker/")
		}
		if out != "" {
			t.Errorf("%s: rsync finds\n%s", disk, out)
		}
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if a := <-ended; a.code != 0 {
			t.Fatalf("exit code %d: %s", a.code, a.out)
		}
		h.davit(0, "migrate rollback --sync-back --yes")
	}
}

// stopVerifying begins a run and stops its worker while the engine is down and both trees are the same. On a busy machine
// that moment may pass unseen: then the run is taken back and begun again.
func (h *host) stopVerifying(run string) (worker int, ended <-chan answer) {
	h.t.Helper()
	for range 10 {
		root := h.Root(h.t)
		ended := h.begin(run)
		pid := h.worker(root)
		h.reach(root, "verify")
		stopped := unix.Kill(pid, unix.SIGSTOP)
		if step, _ := h.state(); stopped == nil && (step == "verify" || step == "configure") {
			return pid, ended
		}
		_ = unix.Kill(pid, unix.SIGCONT) // it may have ended
		if a := <-ended; a.code != 0 {
			h.t.Fatalf("exit code %d: %s", a.code, a.out)
		}
		h.davit(0, "migrate rollback --sync-back --yes")
	}
	h.t.Fatal("this machine is too slow to look")
	return 0, nil
}

// The usual recipe loses what davit keeps, and the engine starts on it all the same.
func TestWhatPlainRsyncLoses(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10", Disks: []string{"ext4:2G", "ext4:2G"}})
	before, special := h.inventory(), h.special("/var/lib/docker")
	h.must(`docker stop -t 1 $(docker ps -q) > /dev/null; davit engine stop; rsync -avz /var/lib/docker/ /mnt/disk2/docker/ > /dev/null
mkdir -p /etc/docker; echo '{"data-root": "/mnt/disk2/docker"}' > /etc/docker/daemon.json; davit engine start`)
	naive := h.special("/mnt/disk2/docker")
	t.Logf("whiteouts, opaque folders, capabilities, hard links, sparse file:\nbefore\n%s\nby rsync -avz\n%s", special, naive)
	if naive == special {
		t.Error("rsync -avz keeps everything: davit has nothing to offer")
	}
	const look = "docker run --rm --network none layers:b ls /opaque"
	if got := h.must(look); !strings.Contains(got, "1") {
		t.Errorf("deleted files did not come back: %q", got)
	}
	h.must("davit engine stop --allow-rm-loss; rm /etc/docker/daemon.json; davit engine start; docker start always unless onfailure plain web writer paused; docker pause paused; docker stop stopped")
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes")
	h.settled(before)
	if got := h.must(look); got != "new" {
		t.Errorf("davit: %q", got)
	}
	if got := h.special("/mnt/disk1/docker"); got != special {
		t.Errorf("davit: %s\nbefore: %s", got, special)
	}
}
