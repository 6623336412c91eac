//go:build integration

package main

import (
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// readmeHost is what the README's lines for a host speak of: two containers, one of which wrote a log that has no
// limit, a volume that nobody uses any more, an old image, and folders on another disk.
const readmeHost = `set -eu
mkdir -p /tmp/img/bin && cp /bin/busybox /tmp/img/bin/ && for x in sh sleep date yes; do ln -sf busybox /tmp/img/bin/$x; done
tar -C /tmp/img -c . | docker import - shop:1
tar -C /tmp/img -c . | docker import --change 'LABEL old=1' - shop:old
docker run -d --name db --restart always -v pgdata:/data shop:1 /bin/sh -c 'while :; do date > /data/now; sleep 0.1; done'
docker run -d --name web --restart unless-stopped shop:1 /bin/sh -c 'yes a line of the log | head -c 20000000; sleep 1000000'
docker run --name old-job shop:1 /bin/sh -c 'date > /result'
mkdir -p /srv/other /etc/davit /mnt/disk1/other /mnt/disk1/prune
davit backup init --repo /srv/backup
davit backup init --repo /mnt/disk1/prune
`

// TestReadmeRunsOnAHost runs the lines of the README that are about a whole host, in their order.
func TestReadmeRunsOnAHost(t *testing.T) {
	h := serviceHostWith(t, enginetest.HostOptions{Disks: []string{"ext4:4G"}})
	h.Must(t, "sh", "-c", readmeHost)
	run := 0
	for _, b := range readmeBlocks(t) {
		if b.mark != "<!-- run: host -->" {
			continue
		}
		for _, line := range b.commands() {
			runOnHost(t, h, line)
			run++
		}
	}
	if run < 30 {
		t.Errorf("only %d lines were run", run)
	}
	if out := h.Must(t, "docker", "ps", "--format", "{{.Names}}"); !strings.Contains(out, "db") {
		t.Errorf("the containers do not run any more: %s", out)
	}
}

// runOnHost runs one line. What runs until it is stopped is stopped; a migration that is under way is undone before the
// next begins, and begun again for a line that ends one.
func runOnHost(t *testing.T, h *enginetest.Host, line string) {
	t.Helper()
	command, codes := readmeCommand(t, line)
	command = strings.NewReplacer("/mnt/other", "/mnt/disk1/other", "/mnt/prune", "/mnt/disk1/prune").Replace(command)
	switch pending := migrating(t, h); {
	case strings.HasPrefix(command, "davit migrate run"), strings.HasPrefix(command, "davit migrate plan"):
		if pending {
			h.Must(t, "davit", "migrate", "rollback", "--lose-writes", "--yes")
		}
		h.Must(t, "sh", "-c", "rm -rf /mnt/disk1/docker /mnt/disk1/containerd /srv/docker")
	case strings.HasPrefix(command, "davit migrate commit"), strings.HasPrefix(command, "davit migrate rollback"):
		if !pending {
			h.Must(t, "davit", "migrate", "run", "--to", "/mnt/disk1/docker", "--yes")
		}
	case strings.Contains(command, "--watch"):
		command = "timeout -s INT 4 " + strings.Replace(command, "10s", "1s", 1)
		codes = append(codes, 124)
	}
	stdout, stderr, code := h.Run(t, "bash", "-c", command)
	if !slices.Contains(codes, code) {
		t.Errorf("%s\nexit code %d\n%s%s", command, code, stdout, stderr)
	}
}

// migrating tells whether a migration waits to be committed or rolled back.
func migrating(t *testing.T, h *enginetest.Host) bool {
	t.Helper()
	out, _, _ := h.Run(t, "davit", "migrate", "status")
	return strings.Contains(out, "davit migrate commit")
}
