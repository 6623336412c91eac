//go:build integration

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"davit/backup/drill"
	"davit/engine/enginetest"
)

// drillHost adds a job that saves a container with its image: its snapshots are drilled by a timer of their own, and each one at
// the end of a run that a timer begins.
const drillHost = `sed -i 's|^metrics:|  proved: {what: {containers: [writer]}, after: [verify, drill], rpo: 26h, drill: {timeout: 1m,\n    probes: {writer: "test -s /data/now"}, reports: [/srv/reports/drill.html]}}\n&|' /etc/davit/config.yaml
mkdir -p /srv/reports
davit config check
davit backup run proved`

// awaitDrill polls until a drill that began later has ended.
func awaitDrill(t *testing.T, h *enginetest.Host, after time.Time) *drill.Report {
	t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(time.Second) {
		out := h.Must(t, "sh", "-c", `davit backup history --json | grep '"kind":"drill"' | head -n 1`)
		var r drill.Report
		if out != "" {
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if r.Began.After(after) && !r.Ended.IsZero() {
			return &r
		}
		if time.Now().After(deadline) {
			t.Fatalf("no drill ended: %s", h.Must(t, "journalctl", "--no-pager", "-n", "50"))
		}
	}
}

// A drill's own timer fires, and so does one whose job ends with a drill. Made by the hardened services they pass, tell history,
// metrics, status, report and journal, leave nothing, and a drill that fails says so everywhere.
func TestDrillTimerOnAHost(t *testing.T) {
	h := serviceHost(t)
	h.Must(t, "sh", "-c", jobHost)
	h.Must(t, "sh", "-c", drillHost) // this is the first drill, made by hand
	began := time.Now()
	step{args: "davit backup schedule install proved --drill --cron '* * * * *' --jitter 0s", stdout: "drill of job proved runs next at"}.run(t, h)
	step{args: "systemd-analyze verify /etc/systemd/system/davit-drill-proved.timer && echo fine", stdout: "fine"}.run(t, h)
	if r := awaitDrill(t, h, began); r.Verdict != drill.Passed || r.Job != "proved" || r.Removed == nil || r.Removed.Containers != 1 {
		t.Errorf("the drill is %+v", r)
	}
	for _, s := range []step{
		{args: "journalctl --no-pager -u davit-drill-proved", stdout: "passed"},
		{args: "davit backup schedule list", stdout: "proved (drill)  timer  2"},
		{args: "davit backup schedule list | grep passed", stdout: "proved (drill)"},
		{args: timerEnds("davit-drill-proved")},
		{args: `grep -c '^davit_backup_drill_last_success_timestamp_seconds{host="testhost",job="proved"} ' /srv/metrics/davit.prom`, stdout: "1"},
		{args: "davit backup status --json | grep -o '\"verdict\":\"[a-z]*\"' | sort -u", stdout: `"verdict":"passed"`},
		{args: "grep -o '<title>[^<]*' /srv/reports/drill.html", stdout: "passed"},
		{args: "docker ps -aq --filter label=davit.drill; docker volume ls -q --filter label=davit.drill; docker network ls -q --filter label=davit.drill; ls /var/lib/davit/drills | grep journal", code: 1},
		{args: "docker inspect -f '{{.State.Status}} {{.RestartCount}}' writer", stdout: "running 0"},
		{args: "davit backup schedule remove proved --drill", stdout: "drills of job proved"},
		{args: "ls /etc/systemd/system", stdout: ""},
	} {
		s.run(t, h)
	}
	drillsAtTheEndOfRuns(t, h)
}

// drillsAtTheEndOfRuns lets a timer run the job whose last step is a drill, at first with a probe that passes.
func drillsAtTheEndOfRuns(t *testing.T, h *enginetest.Host) {
	t.Helper()
	success := strings.TrimSpace(h.Must(t, "sh", "-c", "grep '^davit_backup_drill_last_success_timestamp_seconds' /srv/metrics/davit.prom"))
	began := time.Now()
	step{args: "davit backup schedule install proved --cron '* * * * *' --jitter 0s", stdout: "job proved runs next at"}.run(t, h)
	if r := awaitDrill(t, h, began); r.Verdict != drill.Passed {
		t.Errorf("the drill is %+v", r)
	}
	h.Must(t, "sh", "-c", `sed -i 's|test -s /data/now|test -s /data/gone|' /etc/davit/config.yaml`)
	before := h.Must(t, "sh", "-c", "grep '^davit_backup_drill_last_success_timestamp_seconds' /srv/metrics/davit.prom")
	if strings.TrimSpace(before) == success {
		t.Error("the metric stood still although a drill passed")
	}
	began = time.Now()
	if r := awaitDrill(t, h, began); r.Verdict != drill.Failed {
		t.Errorf("the drill is %+v", r)
	}
	for _, s := range []step{
		{args: timerEnds("davit-backup-proved") + "; systemctl show -p ExecMainStatus davit-backup-proved", stdout: "ExecMainStatus=14"},
		{args: "davit backup schedule remove proved"},
		{args: "davit backup history --job proved --last 4", stdout: "failed"},
		{args: "journalctl --no-pager -u davit-backup-proved", stdout: "drill"},
		{args: `grep '^davit_backup_drill_last_attempt_passed' /srv/metrics/davit.prom`, stdout: "} 0"},
		{args: "grep '^davit_backup_drill_last_success_timestamp_seconds' /srv/metrics/davit.prom", stdout: before},
		{args: "davit backup status", code: 15, stdout: "failed"},
		{args: "docker ps -aq --filter label=davit.drill; docker volume ls -q --filter label=davit.drill; ls /var/lib/davit/drills | grep journal", code: 1},
	} {
		s.run(t, h)
	}
}
