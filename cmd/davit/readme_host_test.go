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
docker run -d --name web --restart unless-stopped shop:1 /bin/sh -c '[ -e /logged ] || yes a line of the log | head -c 3000000; : > /logged; sleep 1000000'
docker run --name old-job shop:1 /bin/sh -c 'date > /result'
mkdir -p /etc/davit /mnt/other /mnt/prune
mount -t tmpfs tmpfs /mnt/other
davit backup init --repo /srv/backup
davit backup init --repo /mnt/prune
`

// pruneSomething makes a run of prune that can be undone; a host that was just made has nothing old.
const pruneSomething = `set -eu
cat > /tmp/policy.yaml <<Y
version: 1
min_age: 0s
rules: [{name: jobs, select: {kind: container, state: exited}, action: archive+remove}]
Y
davit prune apply --policy /tmp/policy.yaml --archive /mnt/prune --yes
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
	begins := func(prefix string) bool { return strings.HasPrefix(command, prefix) }
	pending := begins("davit migrate") && migrating(t, h)
	const emptyDisk = "rm -rf /mnt/disk1/* /srv/docker"
	switch {
	case begins("davit migrate run"), begins("davit migrate plan"):
		if pending {
			h.Must(t, "davit", "migrate", "rollback", "--lose-writes", "--yes")
		}
		h.Must(t, "sh", "-c", emptyDisk)
	case begins("davit migrate commit"), begins("davit migrate rollback"):
		if !pending {
			h.Must(t, "sh", "-c", emptyDisk)
			h.Must(t, "davit", "migrate", "run", "--to", "/mnt/disk1/docker", "--yes")
		}
	case begins("davit prune undo"):
		h.Must(t, "sh", "-c", pruneSomething)
	case begins("davit diskscan") && !strings.Contains(command, "--truncate"):
		command = strings.TrimSuffix(command, " --yes") // its flag is for that alone
	}
	if strings.Contains(command, "--watch") {
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
