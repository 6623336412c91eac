package job

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/drill"
)

// drilled is a drill of a job's snapshot.
func drilled(at time.Time, v drill.Verdict, dir string) *drill.Report {
	return &drill.Report{
		ID: at.Format("20060102"), Began: at, Ended: at.Add(time.Minute), Verdict: v, RTO: drill.Objective{Seconds: 42},
		Snapshot: drill.Snapshot{Host: "nas", Job: "nightly", Repository: dir, Time: at.Add(-time.Hour)},
		Volumes:  []drill.VolumeReport{{Volume: drill.Volume{Item: "volume/data"}, Result: drill.Pass}, {Volume: drill.Volume{Item: "volume/torn"}, Result: drill.Fail}},
		Checks:   []drill.Check{{Name: "files", Result: drill.Fail}},
	}
}

// The gauges of drills that passed stand still when one fails.
func TestDrillMetricsStandStill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "davit.prom")
	at := time.Unix(1_700_000_000, 0)
	read := func(drills ...*drill.Report) string {
		t.Helper()
		if err := WriteMetrics(file, "nas", nil, drills); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	good, bad := drilled(at, drill.Passed, "/r"), drilled(at.Add(time.Hour), drill.Failed, "/r")
	text := read(bad, good)
	for _, want := range []string{
		`davit_backup_drill_last_success_timestamp_seconds{host="nas",job="nightly"} 1700000060` + "\n",
		`davit_backup_drill_last_success_rto_seconds{host="nas",job="nightly"} 42` + "\n",
		`davit_backup_drill_last_attempt_timestamp_seconds{host="nas",job="nightly"} 1700003600` + "\n",
		`davit_backup_drill_last_attempt_passed{host="nas",job="nightly"} 0` + "\n",
		`davit_backup_drill_last_attempt_failed_checks{host="nas",job="nightly"} 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if text := read(bad); strings.Contains(text, "drill_last_success") {
		t.Errorf("a drill that failed counts as a success:\n%s", text)
	}
}

// Status tells of each job the newest drill, and of each volume the newest that proved its files, whatever else failed in it.
func TestStatusOfDrills(t *testing.T) {
	h := newTestHost(t)
	s := &statusRun{in: StatusInput{Host: "nas", Now: h.now, Drills: []*drill.Report{
		drilled(h.now.Add(-time.Hour), drill.Failed, h.repo), drilled(h.now.Add(-48*time.Hour), drill.Passed, h.repo),
	}}}
	if st := s.job("nas", &jobGroup{job: "nightly", dir: h.repo}); st.Drill == nil || st.Drill.Verdict != drill.Failed || st.Drill.Age != 3600 {
		t.Errorf("%+v", st.Drill)
	}
	if st := s.job("nas", &jobGroup{job: "nightly", dir: "/other"}); st.Drill != nil {
		t.Errorf("of another repository: %+v", st.Drill)
	}
	for volume, proved := range map[string]bool{"data": true, "torn": false, "none": false} {
		if got := s.drillOf(func(r *drill.Report) bool { return r.Proves(volume) }); (got != nil) != proved {
			t.Errorf("%s: %+v", volume, got)
		}
	}
}

// A drill that fails after a backup makes the run a damaged one, with the snapshot's id in hand, and keeps what follows from
// being done.
func TestDrillStep(t *testing.T) {
	h := newTestHost(t)
	asked := ""
	h.env.Drill = func(_ context.Context, _ *backup.Env, j *Job, snapshot string) (*drill.Report, error) {
		asked = j.Name + " " + snapshot
		r := drilled(h.now, drill.Failed, h.repo)
		return r, &drill.FailedError{Report: r}
	}
	r := &run{env: h.env, job: &Job{Name: "nightly", After: []Step{StepDrill, StepGC}}, record: &Record{Snapshot: "abc", Result: ResultOK}, backup: &backup.Env{}}
	r.after(t.Context())
	if r.record.Result != ResultFailed || asked != "" {
		t.Errorf("without an engine: %+v, asked %q", r.record, asked)
	}
	r.record, r.err, r.backup.Engine = &Record{Snapshot: "abc", Result: ResultOK}, nil, struct{ backup.Engine }{}
	r.after(t.Context())
	var failed *drill.FailedError
	if !errors.As(r.err, &failed) || r.record.Result != ResultDamaged || asked != "nightly abc" || !r.record.Steps[1].Skipped {
		t.Errorf("%v, %+v, asked %q", r.err, r.record, asked)
	}
}

// What a job says of drills is checked with its line, and becomes the options of a drill.
func TestDrillConfig(t *testing.T) {
	read := func(section string) (*Config, error) {
		return ParseConfig("c.yaml", []byte("version: 1\nrepositories: {main: {path: /r}}\njobs:\n  nightly:\n    rpo: 26h\n    rto: 30m\n    drill: "+section+"\n"))
	}
	c, err := read(`{projects: [shop], probes: {web: "true", db: '["ok"]'}, timeout: 1m, reports: [/x/a.html, /x/b.json]}`)
	if err != nil {
		t.Fatal(err)
	}
	o := c.Jobs["nightly"].DrillOptions()
	if len(o.Probes) != 2 || o.Probes[0].Container != "db" || o.TargetRTO != 30*time.Minute || o.TargetRPO != 26*time.Hour || o.Timeout != time.Minute || o.Projects[0] != "shop" || o.Job != "nightly" {
		t.Errorf("%+v", o)
	}
	for section, reason := range map[string]string{
		`{probe: {web: x}}`:             `c.yaml:7: unknown field "probe"`,
		`{projects: [a], volumes: [b]}`: "projects and volumes exclude each other",
		`{probes: {web: ""}}`:           "probe of web has no command",
		`{probes: {web: '["'}}`:         "probe of web",
		`{reports: [a.html]}`:           `report "a.html" is not absolute`,
		`{reports: [/a.pdf]}`:           "does not end in .html, .md or .json",
		`{timeout: soon}`:               `c.yaml:7: "soon" is no duration`,
	} {
		if _, err := read(section); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want %s", section, err, reason)
		}
	}
}
