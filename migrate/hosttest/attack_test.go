//go:build integration

package hosttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/migrate"
)

// What others do while a run copies is noticed before anything is stopped, and told in words that say what to do.
func TestOthersInTheMiddle(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before := h.inventory()
	const slow = "migrate run --to /mnt/disk1/docker --yes --bwlimit 10MB"
	for _, row := range []struct{ name, how, words, after string }{
		{"daemon.json", `mkdir -p /etc/docker; echo '{"debug": true}' > /etc/docker/daemon.json`, "somebody has changed /etc/docker/daemon.json",
			`grep -q debug /etc/docker/daemon.json; rm /etc/docker/daemon.json`},
		{"--rm", `docker run -d --rm --name fleeting --network none -v /anonymous layers:b sleep 1000`, "fleeting",
			`docker inspect fleeting > /dev/null; docker rm -f -v fleeting`},
		{"unit", `mv /etc/systemd/system/mnt-disk1.mount /root; systemctl daemon-reload`, "at boot was removed",
			`mv /root/mnt-disk1.mount /etc/systemd/system; systemctl daemon-reload`},
		{"another root", `mkdir -p /etc/docker; echo '{"data-root": "/srv/other"}' > /etc/docker/daemon.json; systemctl restart docker; rm /etc/docker/daemon.json`,
			"was made to work on /srv/other", `systemctl restart docker; docker start plain web onfailure paused > /dev/null; docker pause paused; docker stop stopped; rm -rf /srv/other`},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.t = t
			h.must("docker exec onfailure sh -c 'dd if=/dev/urandom of=/files/big bs=1M count=30 2> /dev/null; sync'")
			lines := h.count()
			ended := h.begin(slow)
			h.waitFor("it copies", "ls /mnt/disk1/docker/*/ > /dev/null")
			h.must(row.how)
			a := <-ended
			if a.code != 1 || !strings.Contains(a.out, row.words) {
				t.Errorf("exit code %d: %s", a.code, a.out)
			}
			h.must(row.after)
			h.waitFor("onfailure runs", "docker exec onfailure rm -f /files/big")
			h.settled(before)
			h.works(lines)
			h.clean()
			h.must("rm -rf /mnt/disk1/docker")
		})
	}
	h.t = t
	// An engine that somebody restarts while it is copied is no reason not to go on, and two runs are one too many.
	h.must("docker exec onfailure sh -c 'dd if=/dev/urandom of=/files/big bs=1M count=30 2> /dev/null; sync'")
	lines := h.count()
	first := h.begin("migrate run --to /mnt/disk1/docker --yes --bwlimit 2MB")
	h.waitFor("it copies", "ls /mnt/disk1/docker/*/ > /dev/null")
	if out, errs, code := h.Run(t, "sh", "-c", "davit "+slow); code != 11 || !strings.Contains(out+errs, "under way") {
		t.Errorf("a second run: exit code %d: %s%s", code, out, errs)
	}
	h.must("systemctl restart docker; docker start plain web onfailure paused > /dev/null; docker pause paused; docker stop stopped")
	if step, _ := h.state(); step != "copy" {
		t.Fatalf("the engine was not restarted in time: step %s", step)
	}
	if a := <-first; a.code != 0 {
		t.Errorf("exit code %d: %s", a.code, a.out)
	}
	h.must("docker exec onfailure rm /files/big")
	h.settled(before)
	h.works(lines)
	if got := h.root(); got != "/mnt/disk1/docker" {
		t.Errorf("the engine works in %s", got)
	}
}

// A disk that is not mounted when a run is resumed is not mistaken for the folder that it was mounted on.
func TestDiskGoneAtResume(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before, lines := h.inventory(), h.count()
	h.kill("copy", 0, "migrate run --to /mnt/disk1/docker --yes --bwlimit 2MB")
	h.must("umount /mnt/disk1")
	if out, errs := h.davit(1, "migrate resume --yes"); !strings.Contains(out+errs, "what was mounted on /mnt/disk1 (ext4) has gone") {
		t.Errorf("%s%s", out, errs)
	}
	h.must("! ls /mnt/disk1/docker 2> /dev/null; mount /dev/vdb /mnt/disk1")
	h.davit(0, "migrate resume --yes")
	h.settled(before)
	h.works(lines)
}

// Who is killed while he undoes a dead worker's work leaves the rest to the next: davit recover, or the next boot.
func TestRecoveryKilled(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5"})
	before := h.inventory()
	for _, row := range []struct {
		step string
		boot bool
	}{{"verify", false}, {"verify", true}, {"compare", false}, {"compare", true}, {"health", false}, {"release", true}} {
		name := row.step
		if row.boot {
			name += "-boot"
		}
		t.Run(name, func(t *testing.T) {
			h.t = t
			lines := h.count()
			root := h.Root(t)
			ended := h.begin("migrate run --to /mnt/disk1/docker --yes")
			pid := h.worker(root)
			at := h.reach(root, row.step)
			_ = unix.Kill(pid, unix.SIGKILL)
			a := killRecovery(root, ended)
			step, outcome := h.state()
			t.Logf("struck in %q, recovery in %q (outcome %q): exit code %d", at, step, outcome, a.code)
			if outcome == "" && (a.code == 0 || !strings.Contains(a.out, "davit recover")) {
				t.Errorf("exit code %d of a run that was left: %s", a.code, a.out)
			}
			if row.boot {
				h.must("sync")
				h.boots()
			} else {
				h.davit(0, "recover")
			}
			_, outcome = h.state()
			h.settled(before)
			h.works(lines)
			switch outcome {
			case string(migrate.Done):
				h.says("done", "/mnt/disk1/docker")
				h.back()
				h.settled(before)
			case string(migrate.RolledBack):
				h.says("rolled back", "/var/lib/docker")
			default:
				t.Errorf("the outcome is %q", outcome)
			}
			h.clean()
		})
	}
}

// killRecovery kills who undoes a dead worker's work, somewhere in it, unless he is through before that is seen.
func killRecovery(root string, ended <-chan answer) answer {
	for {
		if pid := running(root, "recover"); pid > 0 {
			time.Sleep(300 * time.Millisecond)
			_ = unix.Kill(pid, unix.SIGKILL)
			return <-ended
		}
		select {
		case a := <-ended:
			return a
		case <-time.After(time.Millisecond):
		}
	}
}

// A destination that the kernel makes read-only in the middle, as it does with errors on a disk, is given up.
func TestDestinationTurnsReadOnly(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5", Disks: []string{"ext4:600M", "ext4:600M"}})
	before := h.inventory()
	for i, step := range []string{"copy", "sync"} {
		t.Run(step, func(t *testing.T) {
			h.t = t
			disk := "/mnt/disk" + string(rune('1'+i))
			h.must("mount -o remount,errors=remount-ro " + disk + "; docker exec onfailure sh -c 'dd if=/dev/urandom of=/files/big bs=1M count=30 2> /dev/null; sync'")
			lines := h.count()
			root := h.Root(t)
			trigger := h.errorTrigger(disk)
			ended := h.begin("migrate run --to " + disk + "/docker --yes --bwlimit 10MB")
			pid := h.worker(root)
			h.reach(root, step)
			_ = unix.Kill(pid, unix.SIGSTOP)
			if err := os.WriteFile(trigger, []byte("this disk has errors"), 0); err != nil {
				t.Fatal(err)
			}
			h.waitFor("it is read-only", "! touch "+disk+"/x 2> /dev/null")
			_ = unix.Kill(pid, unix.SIGCONT)
			a := <-ended
			if a.code != 1 || !strings.Contains(a.out, "read-only file system") {
				t.Errorf("exit code %d: %s", a.code, a.out)
			}
			h.settled(before)
			h.works(lines)
			h.clean()
			h.must("docker exec onfailure rm /files/big")
		})
	}
}

// errorTrigger is the file that makes the kernel find an error on an ext4 of the host.
func (h *host) errorTrigger(mounted string) string {
	h.t.Helper()
	name := h.must("mountpoint -d " + mounted)
	link, err := os.Readlink("/sys/dev/block/" + name)
	if err != nil {
		h.t.Fatal(err)
	}
	return filepath.Join("/sys/fs/ext4", filepath.Base(link), "trigger_fs_error")
}

// A root that shares the disk with its data-root may be full to the last byte: that is why it is moved.
func TestFullDiskUnderTheOldRoot(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5"})
	before, lines := h.inventory(), h.count()
	root := h.Root(t)
	ended := h.begin("migrate run --to /mnt/disk1/docker --yes")
	pid := h.worker(root)
	h.reach(root, "stop engine")
	_ = unix.Kill(pid, unix.SIGSTOP)
	h.must("dd if=/dev/zero of=/var/filler bs=1M 2> /dev/null || true; cat /dev/zero >> /var/filler 2> /dev/null || true")
	_ = unix.Kill(pid, unix.SIGCONT)
	a := <-ended
	t.Logf("exit code %d: %s", a.code, a.out)
	h.must("rm /var/filler")
	if a.code != 0 {
		h.davit(0, "recover")
	}
	h.settled(before)
	h.works(lines)
	if got := h.root(); a.code == 0 && got != "/mnt/disk1/docker" {
		t.Errorf("the engine works in %s", got)
	}
}
