//go:build integration

package hosttest

import (
	"fmt"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// However the data-root is written down, the engine comes up on the new root, and after a rollback everything is
// written as it was.
func TestHoweverTheRootIsWritten(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5"})
	before := h.inventory()
	const unit = "/etc/systemd/system/docker.service.d/10-root.conf"
	flag := func(root string) string {
		return "printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --data-root " + root + "\\n' > " + unit
	}
	for _, row := range []struct{ name, set, undo string }{
		{"missing", "rm -f /etc/docker/daemon.json", ""},
		{"empty", ": > /etc/docker/daemon.json", ""},
		{"other-keys-and-mode", `printf '{\n\t"log-opts": {"max-size": "1m"},\n\n\t"debug":true, "labels": ["a=b"]\n}' > /etc/docker/daemon.json; chmod 600 /etc/docker/daemon.json`, ""},
		{"BOM", `printf '\357\273\277{"debug": true}\r\n' > /etc/docker/daemon.json`, ""},
		{"symlink", `printf '{"debug": true}\n' > /srv/real.json; ln -sf /srv/real.json /etc/docker/daemon.json`, "rm /srv/real.json"},
		{"data-root-in-file", `printf '{"data-root": "/var/lib/docker", "debug": true}\n' > /etc/docker/daemon.json`, ""},
		{"flag-in-drop-in", flag("/var/lib/docker"), "rm " + unit},
		{"flag-in-variable", `printf 'DOCKER_OPTS="--debug --data-root=/var/lib/docker"\n' > /etc/default/docker`, "rm /etc/default/docker"},
		{"flag-in-unit", "sed 's|^ExecStart=.*|ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock --data-root=/var/lib/docker|' /lib/systemd/system/docker.service > /etc/systemd/system/docker.service", "rm /etc/systemd/system/docker.service"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.t = t
			h.must("mkdir -p /etc/docker /etc/systemd/system/docker.service.d; rm -f /etc/docker/daemon.json; " + row.set + "; systemctl daemon-reload")
			h.davit(0, "engine restart")
			h.must("docker start plain unless onfailure paused always web writer > /dev/null; docker unpause paused > /dev/null 2>&1; docker pause paused > /dev/null; docker stop stopped > /dev/null")
			h.settled(before)
			lines := h.count()
			const files = "ls -lL --time-style=+ /etc/docker /etc/systemd/system/docker.service.d; cat /etc/docker/daemon.json /etc/default/docker /etc/systemd/system/docker.service.d/* 2> /dev/null | md5sum"
			written := h.must(files)
			h.davit(0, "migrate run --to /mnt/disk1/docker --yes")
			h.settled(before)
			h.works(lines)
			if got := h.root(); got != "/mnt/disk1/docker" {
				t.Errorf("the engine works in %s", got)
			}
			h.back()
			h.settled(before)
			h.works(lines)
			if now := h.must(files); now != written {
				t.Errorf("after the rollback:\n%s\nbefore:\n%s", now, written)
			}
			h.must("true; " + row.undo + "\n rm -f /etc/docker/daemon.json; systemctl daemon-reload")
		})
	}
	h.t = t
	t.Run("broken", func(t *testing.T) {
		h.t = t
		for name, text := range map[string]string{"comment": `{ "debug": true // yes\n}`, "comma": `{"debug": true,}`, "list": `[]`} {
			h.must("printf '" + text + "' > /etc/docker/daemon.json")
			out, err := h.davit(1, "migrate run --to /mnt/disk1/docker --yes")
			if !strings.Contains(out+err, "/etc/docker/daemon.json") || !strings.Contains(out+err, "refus") {
				t.Errorf("%s: %s%s", name, out, err)
			}
		}
		h.must("rm /etc/docker/daemon.json; ! ls /mnt/disk1/docker 2> /dev/null")
		h.settled(before)
	})
}

// The engine does not start on the new root, for whatever reason: it runs on the old one again, and the reason is told.
func TestUnitThatFailsOnTheNewRoot(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before, lines := h.inventory(), h.count()
	h.must(`mkdir -p /etc/systemd/system/docker.service.d && cat > /etc/systemd/system/docker.service.d/pre.conf <<'X'
[Service]
ExecStartPre=/bin/sh -c 'if grep -q disk1 /etc/docker/daemon.json; then echo the licence does not allow this disk; exit 1; fi'
X
mkdir -p /etc/docker; systemctl daemon-reload`)
	out, errs := h.davit(1, "migrate run --to /mnt/disk1/docker --yes")
	if !strings.Contains(out+errs, "the licence does not allow this disk") && !strings.Contains(out+errs, "start docker.service") {
		t.Errorf("no reason: %s%s", out, errs)
	}
	h.settled(before)
	h.works(lines)
	h.says("rolled back")
	h.clean()

	// What was copied is gone on with, and rsync finds nothing to do between the trees of an engine at rest.
	h.must("rm /etc/systemd/system/docker.service.d/pre.conf; systemctl daemon-reload")
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes --verify full")
	h.settled(before)
	h.works(lines)
}

// Whoever calls the engine all the time does not wake it up in the middle.
func TestCallersDuringTheMove(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before, lines := h.inventory(), h.count()
	hammer := func(call string) {
		h.must("systemctl stop hammer1 hammer2 2> /dev/null; systemctl reset-failed hammer1 hammer2 2> /dev/null; printf 'while :; do " + call + " > /dev/null 2>&1; done' > /root/hammer; for i in 1 2; do systemd-run -q --collect --unit hammer$i sh /root/hammer; done")
	}
	// One who starts a container again and again keeps it from being stopped: that is told, and undone.
	hammer("docker start plain")
	out, errs := h.davit(1, "migrate run --to /mnt/disk1/docker --yes")
	if !strings.Contains(out+errs, "keeps starting them") {
		t.Errorf("%s%s", out, errs)
	}
	h.must("systemctl stop hammer1 hammer2")
	h.settled(before)
	h.works(lines)
	h.clean()

	started := h.must("journalctl -q -u docker -o cat | grep -c 'Starting up'")
	if started != "1" {
		t.Errorf("the engine was started %s times", started)
	}
	hammer("docker ps -a; docker exec writer true")
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes")
	h.must("systemctl stop hammer1 hammer2")
	h.settled(before)
	h.works(lines)
	if got := h.root(); got != "/mnt/disk1/docker" {
		t.Errorf("the engine works in %s", got)
	}
	if started := h.must("journalctl -q -u docker -o cat | grep -c 'Starting up'"); started != "2" {
		t.Errorf("the engine was started %s times, and not once more for the move", started)
	}
}

// A destination that fills up, or fails, in the middle: the engine stays on, or comes back to, the old root.
func TestDestinationThatFails(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "28.5", Disks: []string{"ext4:600M", "ext4:600M", "ext4:600M"}})
	before := h.inventory()
	for i, row := range []struct{ name, step, how, words string }{
		{"full", "copy", "fallocate -l 10G /mnt/disk1/full; cat /dev/zero > /mnt/disk1/more", "no space left on device"},
		{"dead", "copy", "xfs_io -x -c shutdown /mnt/disk2", "input/output error"},
		{"dead-while-down", "sync", "xfs_io -x -c shutdown /mnt/disk3", "input/output error"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.t = t
			h.must("docker exec onfailure sh -c 'dd if=/dev/urandom of=/files/big bs=1M count=30 2> /dev/null; sync'")
			lines := h.count()
			root := h.Root(t)
			limit := "--bwlimit 10MB"
			ended := h.begin(fmt.Sprintf("migrate run --to /mnt/disk%d/docker --yes %s", i+1, limit))
			h.reach(root, row.step)
			h.Run(t, "sh", "-c", row.how)
			a := <-ended
			if a.code == 0 || !strings.Contains(a.out, row.words) {
				t.Errorf("exit code %d: %s", a.code, a.out)
			}
			h.settled(before)
			h.works(lines)
			h.clean()
			text, _ := h.status()
			if !strings.Contains(text, "interrupted") && !strings.Contains(text, "rolled back") {
				t.Errorf("status: %s", text)
			}
			h.must("docker exec onfailure rm /files/big")
		})
	}
}
