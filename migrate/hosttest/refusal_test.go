//go:build integration

package hosttest

import (
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// What cannot be moved is refused before anything is changed, in words that say what to do.
func TestRefusals(t *testing.T) {
	h := emptyHost(t, enginetest.HostOptions{Engine: "20.10", Disks: []string{"ext4:1G", "ext4:24M", "ext4:100M"}})
	h.must(`mkdir /tmp/i && cp /bin/busybox /tmp/i/ && tar -C /tmp/i -c . | docker import - bb:1 > /dev/null
mkdir /mnt/tmp /mnt/full /srv/link; ln -s /mnt/disk1 /srv/link/disk; echo x > /mnt/disk1/photo; useradd -M joe; chmod 666 /run/docker.sock`)
	const run = "davit migrate run --yes --to "
	for _, row := range []struct{ name, before, line, words, after string }{
		{"no folder", "", run + "/mnt/nothing/docker", "there is no folder", ""},
		{"not empty", "", run + "/mnt/disk1", "not empty: it has photo", ""},
		{"inside", "", run + "/var/lib/docker/new", "one in the other", ""},
		{"around", "", run + "/var/lib", "one in the other", ""},
		{"symlink", "", run + "/srv/link/disk/docker", "use --to /mnt/disk1/docker", ""},
		{"relative", "", "cd /mnt/disk1 && mkdir rel && davit migrate plan --to rel | head -n 2", "/mnt/disk1/rel", "rmdir /mnt/disk1/rel"},
		{"too small", "", run + "/mnt/disk2/docker", "are needed", ""},
		{"tmpfs", "mount -t tmpfs none /mnt/tmp", run + "/mnt/tmp/docker", "empty after a boot", "umount /mnt/tmp"},
		{"few inodes", "umount /mnt/disk3; mkfs.ext4 -q -F -N 64 /dev/vdd && mount /dev/vdd /mnt/disk3", run + "/mnt/disk3/docker", "inodes free", ""},
		{"overlay", "mkdir /mnt/over /srv/u /srv/w && mount -t overlay none -o lowerdir=/root,upperdir=/srv/u,workdir=/srv/w /mnt/over",
			run + "/mnt/over/docker", "overlay2 does not work on it", "umount /mnt/over"},
		{"no systemd", "", "unshare -m sh -c 'mount -t tmpfs none /run/systemd && " + run + "/mnt/disk1/docker'", "systemd does not run here", ""},
		{"remote that answers", "systemd-run -q --unit proxy systemd-socket-activate -l 127.0.0.1:2375 /lib/systemd/systemd-socket-proxyd /run/docker.sock; for i in $(seq 50); do docker -H tcp://127.0.0.1:2375 ps > /dev/null 2>&1 && break; sleep 0.1; done",
			"DOCKER_HOST=tcp://127.0.0.1:2375 " + run + "/mnt/disk1/docker", "not this host's", "systemctl stop proxy"},
		{"noexec", "mount -o remount,noexec /mnt/disk1", run + "/mnt/disk1/docker", "noexec", "mount -o remount,exec /mnt/disk1"},
		{"read-only", "mount -o remount,ro /mnt/disk1", run + "/mnt/disk1/docker", "read-only", "mount -o remount,rw /mnt/disk1"},
		{"nothing mounts it", "mv /etc/systemd/system/mnt-disk1.mount /root; systemctl daemon-reload", run + "/mnt/disk1/docker",
			"use --write-mount-unit", "mv /root/mnt-disk1.mount /etc/systemd/system; systemctl daemon-reload"},
		{"not root", "", "setpriv --reuid joe --clear-groups " + run + "/mnt/disk1/docker", "root", ""},
		{"remote", "", "DOCKER_HOST=tcp://127.0.0.1:1 " + run + "/mnt/disk1/docker", "127.0.0.1:1", ""},
		{"rename over disks", "", run + "/mnt/disk1/docker --method rename", "not on one file system", ""},
		{"containerd", "", run + "/mnt/disk1/docker --store containerd", "nothing in containerd", ""},
		{"unknown store", "", run + "/mnt/disk1/docker --store everything", "everything", ""},
		{"no destination", "", "davit migrate run --yes", "--to", ""},
		{"not asked", "", "davit migrate run --to /mnt/disk1/docker < /dev/null", "--yes", ""},
		{"swarm manager", "docker swarm init --advertise-addr 127.0.0.1 > /dev/null", run + "/mnt/disk1/docker", "manages a swarm", "docker swarm leave --force"},
		{"bind into the root", "docker run -d --name in --network none -v /var/lib/docker/containers:/c bb:1 /busybox sleep 1000",
			run + "/mnt/disk1/docker", "go on writing to the old place", "docker rm -f in"},
		{"mounted below", "mkdir -p /var/lib/docker/own && mount -t tmpfs none /var/lib/docker/own", run + "/mnt/disk1/docker", "/var/lib/docker/own", "umount /var/lib/docker/own; rmdir /var/lib/docker/own"},
		{"resume of nothing", "", "davit migrate resume --yes", "no migration", ""},
		{"rollback of nothing", "", "davit migrate rollback --yes", "no migration", ""},
		{"commit of nothing", "", "davit migrate commit --yes", "no migration", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.t = t
			h.must(row.before)
			out, errs, code := h.Run(t, "sh", "-c", row.line)
			if text := out + errs; !strings.Contains(text, row.words) || code == 0 && row.name != "relative" {
				t.Errorf("%s: exit code %d\n%s", row.line, code, text)
			}
			h.must(row.after)
			h.must("docker info -f '{{.DockerRootDir}}' | grep -qx /var/lib/docker; ! ls -d /mnt/disk1/docker /etc/docker/daemon.json /var/lib/davit/migrate/journal.json 2> /dev/null")
		})
	}
}

// A disk that nothing mounts at boot gets a unit, and the engine comes up on it after a boot.
func TestWriteMountUnit(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10", Disks: []string{"xfs:2G"}})
	before, lines := h.inventory(), h.count()
	h.must("rm /etc/systemd/system/mnt-disk1.mount /etc/systemd/system/local-fs.target.wants/mnt-disk1.mount; systemctl daemon-reload")
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes --write-mount-unit")
	h.settled(before)
	h.works(lines)
	h.must("sync")
	h.boots()
	if got := h.root(); got != "/mnt/disk1/docker" || !strings.Contains(h.must("findmnt -n -o FSTYPE /mnt/disk1"), "xfs") {
		t.Errorf("after a boot: %s", got)
	}
	h.settled(before)
	h.works(lines)
}

// A disk that is late, or gone, at boot keeps the engine waiting: it does not make a new, empty root.
func TestDiskGoneAtBoot(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10", Disks: []string{"ext4:2G"}})
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes")
	h.must("systemctl stop docker.socket docker; umount /mnt/disk1; sed -i s,/dev/vdb,/dev/nothing, /etc/systemd/system/mnt-disk1.mount; systemctl daemon-reload; sync")
	out, errs, code := h.Run(t, "davit", "engine", "start")
	if code == 0 {
		t.Errorf("the engine started without its disk: %s%s", out, errs)
	}
	h.must("! ls /mnt/disk1/docker 2> /dev/null")
	h.must("sed -i s,/dev/nothing,/dev/vdb, /etc/systemd/system/mnt-disk1.mount; systemctl daemon-reload")
	h.davit(0, "engine start")
	h.must("docker inspect writer > /dev/null; [ \"$(docker info -f '{{.DockerRootDir}}')\" = /mnt/disk1/docker ]")
}
