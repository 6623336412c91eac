//go:build integration

package hosttest

import (
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// On each engine everything is as before, on the new root, also after a boot, and the old one can be given up. A
// database is written to all the time.
func TestMoveOnEachEngine(t *testing.T) {
	const to = "/mnt/disk1/docker"
	for _, row := range []struct {
		name, engine, disk, settings string
		root, layers                 string // of the engine, and where its layers are; "" for to
		old                          string // where its layers were
	}{
		{name: "20.10", engine: "20.10", disk: "ext4:4G"},
		{name: "26.1", engine: "26.1", disk: "xfs:4G"},
		{name: "28.5", engine: "28.5", disk: "ext4:4G"},
		{name: "28.5-containerd", engine: "28.5", disk: "ext4:4G", settings: `{"features": {"containerd-snapshotter": true}}`,
			root: to + "/docker", layers: to + "/containerd", old: "/var/lib/containerd"},
		{name: "29", engine: "29", disk: "xfs:4G", root: to + "/docker", layers: to + "/containerd", old: "/var/lib/containerd"},
		{name: "userns-remap", engine: "26.1", disk: "ext4:4G", settings: `{"userns-remap": "default"}`, root: to + "/100000.100000"},
		{name: "live-restore", engine: "28.5", disk: "ext4:4G", settings: `{"live-restore": true}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.root == "" {
				row.root = to
			}
			if row.layers == "" {
				row.layers, row.old = to, "/var/lib/docker"
			}
			h := emptyHost(t, enginetest.HostOptions{Engine: row.engine, Disks: []string{row.disk}})
			if row.settings != "" {
				h.must("mkdir -p /etc/docker; echo '" + row.settings + "' > /etc/docker/daemon.json")
				h.davit(0, "engine restart")
			}
			h.populate()
			h.postgres()
			before, lines, special := h.inventory(), h.count(), h.special(row.old)
			out, errs := h.davit(0, "migrate run --to "+to+" --store all --verify full --yes")
			t.Logf("%s%s", errs, out)
			h.settled(before)
			h.works(lines)
			h.committed(3)
			if got := h.root(); got != row.root {
				t.Errorf("the engine works in %s, not %s", got, row.root)
			}
			if got := h.special(row.layers); got != special {
				t.Errorf("new root: %s\nold root: %s", got, special)
			}
			h.rebooted(before, lines, row.root)
			h.davit(0, "migrate commit --delete-old --yes")
			h.must("! ls /var/lib/docker/volumes " + row.old + "/*/volumes 2> /dev/null; ! ls -d /var/lib/*davit-old* 2> /dev/null")
			h.rebooted(before, lines, row.root)
		})
	}
}

// rebooted boots the host again: the engine comes up where it was, with what ran before.
func (h *host) rebooted(inventory string, lines int, root string) {
	h.t.Helper()
	h.must("systemctl stop insert; sync")
	h.boots()
	if got := h.root(); got != root {
		h.t.Errorf("after a boot the engine works in %s, not %s", got, root)
	}
	h.settled(inventory)
	h.works(lines)
	h.must("systemd-run -q --unit insert sh -c 'sed -i \"s/^i=0/i=$(tail -n 1 /root/committed)/\" /root/insert; exec sh /root/insert'")
	h.committed(3)
}

// Containers with --rm are lost only when that is asked for.
func TestRemovedContainers(t *testing.T) {
	h := fullHost(t, enginetest.HostOptions{Engine: "20.10"})
	before := h.inventory()
	h.must(`docker run -d --rm --name fleeting --network none -v /anonymous layers:b sh -c 'trap "exit 0" TERM; while :; do sleep 1000 & wait $!; done'`)
	out, errs := h.davit(1, "migrate run --to /mnt/disk1/docker --yes")
	if !strings.Contains(out+errs, "fleeting") || !strings.Contains(out+errs, "--allow-rm-loss") {
		t.Errorf("%s%s", out, errs)
	}
	h.must("docker inspect fleeting > /dev/null; ! ls /mnt/disk1/docker 2> /dev/null")
	lines := h.count()
	h.davit(0, "migrate run --to /mnt/disk1/docker --yes --allow-rm-loss")
	h.settled(before)
	h.works(lines)
}
