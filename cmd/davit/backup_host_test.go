//go:build integration

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"davit/backup/job"
	"davit/engine/enginetest"
)

// jobHost makes a host with a container that writes to a volume, a repository, and a configuration of two jobs.
const jobHost = `set -eu
mkdir -p /tmp/img/bin && cp /bin/busybox /tmp/img/bin/ && for x in sh sleep date sync cat; do ln -sf busybox /tmp/img/bin/$x; done
tar -C /tmp/img -c . | docker import - busybox
docker volume create data
docker run -d --name writer --restart unless-stopped -v data:/data busybox /bin/sh -c 'while :; do date > /data/now; sleep 0.1; done'
davit backup init --repo /srv/backup
mkdir -p /etc/davit /srv/metrics
cat > /etc/davit/config.yaml <<Y
version: 1
repositories: {main: {path: /srv/backup}}
jobs:
  nightly: {what: {volumes: [data]}, after: [verify, forget], retention: {last: 5}, rpo: 26h, nice: 5, ionice: idle,
    containers: {writer: {pre: 'date > /data/dump; echo dumped', post: 'echo ended'}}}
  missed: {what: {volumes: [data]}}
  hanging: {what: {volumes: [data]}, containers: {writer: {pre: 'echo waiting; sleep 4711', post: 'echo ended', timeout: 3s}}}
  slow: {what: {volumes: [data]}, containers: {writer: {pre: 'echo begun > /data/mark; sleep 4712', post: 'echo ended > /data/mark'}}}
metrics: {textfile: /srv/metrics/davit.prom}
Y
davit config check
`

// killSlow kills a run of the job "slow" while its pre hook runs.
const killSlow = `set -eu
mark=/var/lib/docker/volumes/data/_data/mark
davit backup run slow > /dev/null 2>&1 & run=$!
until [ "$(cat $mark 2> /dev/null)" = begun ]; do kill -0 $run; sleep 0.1; done
kill -KILL $run; wait $run || true
davit backup history --job slow
davit recover
cat $mark
`

// runs is the history of one job in a host.
func runs(t *testing.T, h *enginetest.Host, name string) []job.Record {
	t.Helper()
	var list []job.Record
	d := json.NewDecoder(strings.NewReader(h.Must(t, "davit", "backup", "history", "--json", "--job", name)))
	for d.More() {
		var r job.Record
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// await polls until a run of a job has ended.
func await(t *testing.T, h *enginetest.Host, name string) job.Record {
	t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
		if list := runs(t, h, name); len(list) > 0 && !list[len(list)-1].Ended.IsZero() {
			return list[len(list)-1] // the oldest
		}
		if time.Now().After(deadline) {
			t.Fatalf("no run of %s ended: %s", name, h.Must(t, "journalctl", "--no-pager", "-n", "50"))
		}
	}
}

// timerEnds stops a timer and waits until what it began has ended.
func timerEnds(name string) string {
	return "systemctl stop " + name + ".timer; until [ \"$(systemctl is-active " + name + ")\" != activating ]; do sleep 0.2; done"
}

// A timer really fires: the run, made by the hardened service, is in history, metrics and journal. A run that is
// missed because of a power cut is caught up after boot.
func TestBackupTimerOnAHost(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", jobHost)
	step{args: "davit backup schedule install nightly --cron '0 0 30 2 *'", code: 2, stderr: "never comes due"}.run(t, h)
	step{args: "davit backup schedule install nigthly --at 03:10", code: 2, stderr: `did you mean "nightly"?`}.run(t, h)
	step{args: "davit backup schedule install nightly --cron '* * * * *' --jitter 0s", stdout: "job nightly runs next at"}.run(t, h)
	step{args: "systemd-analyze verify /etc/systemd/system/davit-backup-nightly.timer && echo fine", stdout: "fine"}.run(t, h)

	r := await(t, h, "nightly")
	if !r.Good() || r.Freezes.Groups != 1 || r.Totals.Files != 2 || len(r.Hooks) != 2 || r.Hooks[0].Output != "dumped\n" || r.Hooks[1].Output != "ended\n" || r.Unprotected != 0 || len(r.Warnings) > 0 {
		t.Errorf("the run is %+v", r)
	}
	for _, s := range []step{
		{args: "cat /srv/metrics/davit.prom", stdout: `davit_backup_last_success_timestamp_seconds{host="`},
		{args: "journalctl --no-pager -u davit-backup-nightly", stdout: "job nightly on "},
		{args: "davit backup schedule list", stdout: "nightly  timer  2"},
		{args: "davit backup schedule show nightly", stdout: "OnCalendar=*-*-* *:*:00"},
		{args: timerEnds("davit-backup-nightly")},                     // what follows is not for it to come between
		{args: "davit backup status", code: 15, stdout: "data    ok"}, // the other job never ran
		{args: "docker inspect -f '{{.State.Status}}' writer", stdout: "running"},
		{args: "davit backup run hanging", code: 3, stdout: "pre (echo waiting; sleep 4711) did not end within 3s"},
		{args: "davit backup history latest", stdout: "hook in writer, post: echo ended: done in"},
		{args: "docker top writer | grep 4711", code: 1}, // it is not only given up, but gone
		{args: "docker inspect -f '{{.State.Status}}' writer", stdout: "running"},
		{args: killSlow, stdout: "slow  killed", stderr: "writer: post hook done"},
		{args: "cat /var/lib/docker/volumes/data/_data/mark", stdout: "ended"},
		{args: "ls /var/lib/davit/hooks | wc -l", stdout: "0"},
		{args: "davit backup schedule remove nightly"},
		{args: "ls /etc/systemd/system", stdout: ""},
		{args: "systemctl is-enabled davit-backup-nightly.timer", code: 1},
		{args: "davit backup schedule remove nightly", code: 1, stderr: "no schedule is installed"},
	} {
		s.run(t, h)
	}

	// The clock of a host is that of this machine. The second minute from now is at least one minute away.
	due := time.Now().UTC().Truncate(time.Minute).Add(2 * time.Minute)
	h.Must(t, "davit", "backup", "schedule", "install", "missed", "--at", due.Format("15:04"), "--jitter", "0s")
	h.Must(t, "sync")
	h.PowerCut(t)
	time.Sleep(time.Until(due.Add(2 * time.Second)))
	h.Boot(t)
	if r := await(t, h, "missed"); !r.Good() || !r.Began.After(due) {
		t.Errorf("missed %v; the run is %+v", due, r)
	}
	step{args: "davit backup status", code: 15, stdout: "missed   ok"}.run(t, h)
	if got := h.Must(t, "docker", "inspect", "-f", "{{.State.Status}}", "writer"); strings.TrimSpace(got) != "running" {
		t.Errorf("the container is %s", got)
	}
}

// hangEngine stops the engine's process with a signal while a backup holds the container, and lets it go on when the run has
// ended. The run is tried again when its container was let go first.
const hangEngine = `engine=$(systemctl show -p MainPID --value docker)
for try in 1 2 3 4 5 6 7 8 9 10; do
	davit backup run hung > /tmp/out 2>&1 & run=$!
	while kill -0 $run 2> /dev/null; do
		[ "$(docker inspect -f '{{.State.Status}}' writer)" = paused ] || continue
		kill -STOP $engine; began=$(date +%s)
		wait $run; code=$?; took=$(($(date +%s) - began))
		kill -CONT $engine
		[ $code != 0 ] || break
		cat /tmp/out
		echo "ended with code $code"; [ $took -lt 100 ] || echo "but only after $took s"
		exit
	done
done
echo 'the container was never seen paused'`

// An engine that hangs while a container is held, and one that hangs before, end the run at its time limit; when the engine goes on
// the container is let go.
func TestHangingEngineOnAHost(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", jobHost)
	h.Must(t, "sh", "-c", `sed -i 's/^metrics:/  hung: {what: {volumes: [data]}, max_duration: 10s}\n&/' /etc/davit/config.yaml
docker rm -f writer; docker run -d --name writer --restart unless-stopped -v data:/data busybox sh -c 'while :; do date > /data/now; cat /bin/busybox /bin/busybox /bin/busybox > /data/t; i=0
while [ $i -lt 100 ]; do i=$((i+1)); cat /data/t; done > /data/big; done'`)
	step{args: hangEngine, stdout: "ended with code 1"}.run(t, h)
	thawed := "for i in $(seq 300); do [ $(docker inspect -f '{{.State.Status}}' writer) != running ] || exit 0; sleep 0.2; done; exit 1"
	step{args: thawed}.run(t, h)
	step{args: "davit backup history --job hung", stdout: "timeout"}.run(t, h)
	step{args: "davit recover && davit backup create --repo /srv/backup --volume data --max-freeze 60s", stdout: "saved"}.run(t, h)
	step{args: `engine=$(systemctl show -p MainPID --value docker); kill -STOP $engine; timeout 60 davit backup run hung; code=$?; kill -CONT $engine; exit $code`,
		code: 1, stderr: ""}.run(t, h)
	step{args: thawed}.run(t, h)
}
