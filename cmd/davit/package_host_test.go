//go:build integration

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// debOf makes the .deb of a version, as a release does.
func debOf(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), version)
	cmd := exec.Command("../../scripts/release.sh", dir)
	cmd.Env = append(os.Environ(), "VERSION="+version, "MACHINES=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release %s: %v: %s", version, err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("release %s: %v, %v", version, found, err)
	}
	return found[0]
}

// packageHost makes a container that writes, a repository, and a job whose hook waits until /data/go is there.
const packageHost = `set -eu
mkdir -p /tmp/img/bin && cp /bin/busybox /tmp/img/bin/ && for x in sh sleep date touch; do ln -sf busybox /tmp/img/bin/$x; done
tar -C /tmp/img -c . | docker import - busybox
docker volume create data
docker run -d --name writer --restart unless-stopped -v data:/data busybox /bin/sh -c 'while :; do date > /data/now; sleep 0.1; done'
davit backup init --repo /srv/backup
cat > /etc/davit/config.yaml <<Y
version: 1
repositories: {main: {path: /srv/backup}}
jobs:
  nightly: {what: {volumes: [data]}}
  waiting: {what: {volumes: [data]}, containers: {writer: {pre: 'touch /data/here; while [ ! -e /data/go ]; do sleep 0.2; done', timeout: 5m}}}
Y
davit config check
davit backup schedule install nightly --at 03:10
davit backup schedule install waiting --at 04:10
`

// TestPackageLife is the whole life of the .deb on a host with systemd: installed, a scheduled backup, an upgrade while a
// job is in the middle of its work, which then freezes with the guard of a program that is no longer on the disk, and
// purged: repositories and state stay, and it says so.
func TestPackageLife(t *testing.T) {
	first, second := debOf(t, "v0.1.0"), debOf(t, "v0.2.0")
	h := enginetest.StartHost(t)
	h.Put(t, first, "/root/first.deb")
	h.Put(t, second, "/root/second.deb")
	sh := func(script string) string { return h.Must(t, "sh", "-c", script) }

	sh("dpkg -i /root/first.deb")
	for _, s := range []step{
		{args: "davit --version", stdout: "davit version v0.1.0"},
		{args: "systemctl is-enabled davit-recover.service", stdout: "enabled"},
		{args: "systemctl start davit-recover.service"},
		{args: "dpkg-deb -c /root/first.deb", stdout: "./usr/share/man/man1/davit-backup-create.1.gz"}, // the host's dpkg leaves manuals out
		{args: "test -s /usr/share/bash-completion/completions/davit && test -s /usr/share/zsh/vendor-completions/_davit && test -s /usr/share/fish/vendor_completions.d/davit.fish"},
		{args: "davit config check /etc/davit/config.example.yaml", stdout: "1 job"},
		{args: "dpkg -V davit"},
		{args: packageHost},
		{args: "systemctl start davit-backup-nightly.service"},
		{args: "davit backup ls --repo /srv/backup", stdout: "nightly"},
	} {
		s.run(t, h)
	}

	sh("systemctl start --no-block davit-backup-waiting.service")
	awaitCommand(t, h, "docker exec writer sh -c '[ -e /data/here ]'")
	sh("dpkg -i /root/second.deb")
	for _, s := range []step{
		{args: "davit --version", stdout: "davit version v0.2.0"},
		{args: "systemctl is-active davit-backup-waiting.service", stdout: "activating", code: 3}, // a oneshot that works
		{args: "docker exec writer touch /data/go"},
	} {
		s.run(t, h)
	}
	awaitCommand(t, h, "davit backup ls --repo /srv/backup | grep -q waiting")
	awaitCommand(t, h, "! systemctl is-active --quiet davit-backup-waiting.service && test $(systemctl show -P Result davit-backup-waiting.service) = success")
	for _, s := range []step{
		{args: "docker inspect -f '{{.State.Running}} {{.State.Paused}}' writer", stdout: "true false"},
		{args: "davit backup verify --repo /srv/backup --read-data"},
		{args: "davit recover", stdout: "nothing to undo"},
	} {
		s.run(t, h)
	}

	out := sh("dpkg --purge davit 2>&1")
	if !strings.Contains(out, "repositories, and state in /var/lib/davit and /var/cache/davit, stay") {
		t.Errorf("purge does not say what stays: %s", out)
	}
	for _, s := range []step{
		{args: "test -e /usr/bin/davit", code: 1},
		{args: "test -e /etc/davit/config.example.yaml", code: 1},
		{args: "systemctl is-enabled davit-backup-nightly.timer", code: 1, stdout: "disabled"},
		{args: "test -e /srv/backup/oci-layout && test -d /var/lib/davit && test -e /etc/davit/config.yaml"},
	} {
		s.run(t, h)
	}
}

// awaitCommand polls until a command in the host succeeds.
func awaitCommand(t *testing.T, h *enginetest.Host, command string) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if _, _, code := h.Run(t, "sh", "-c", command); code == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within three minutes: %s\n%s", command, h.Must(t, "journalctl", "--no-pager", "-n", "60"))
		}
	}
}
