package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"davit/backup"
	"davit/backup/drill"
)

// Drill is what a job says of rehearsals of its snapshots: of those that are made after each run, with drill in after, and
// of davit backup drill --job.
type Drill struct {
	Projects []string          `yaml:"projects"` // nothing: all of the snapshot
	Volumes  []string          `yaml:"volumes"`  // only these, without containers
	Probes   map[string]string `yaml:"probes"`   // container -> command that proves that it works
	Timeout  Duration          `yaml:"timeout"`  // for each container to be ready
	Reports  []string          `yaml:"reports"`  // files; the next drill writes them anew

	line int
}

// UnmarshalYAML reads the settings of drills and keeps their line.
func (d *Drill) UnmarshalYAML(node ast.Node) (err error) {
	type plain Drill
	d.line, err = keepLine(node, (*plain)(d))
	return err
}

// DrillOptions is what the job asks of a drill; the snapshot is the caller's to say.
func (j *Job) DrillOptions() drill.Options {
	o := drill.Options{Job: j.Name, TargetRTO: j.RTO.Duration, TargetRPO: j.RPO.Duration(), Labels: j.Options().Labels}
	if j.Drill == nil {
		return o
	}
	o.Projects, o.Volumes, o.Timeout = j.Drill.Projects, j.Drill.Volumes, j.Drill.Timeout.Duration
	for _, container := range slices.Sorted(maps.Keys(j.Drill.Probes)) {
		if p, err := drill.ParseProbe(container+"="+j.Drill.Probes[container], drill.FromJob); err == nil { // checked when it was read
			o.Probes = append(o.Probes, p)
		}
	}
	return o
}

// DrillReports are the files that the job's drills write.
func (j *Job) DrillReports() []string {
	if j.Drill == nil {
		return nil
	}
	return slices.Clone(j.Drill.Reports)
}

// Drills tells whether a run of the job ends with a drill.
func (j *Job) Drills() bool { return slices.Contains(j.After, StepDrill) }

func (j *Job) checkDrill() string {
	d := j.Drill
	if d == nil {
		return ""
	}
	if len(d.Projects) > 0 && len(d.Volumes) > 0 {
		return "drill: projects and volumes exclude each other"
	}
	for _, container := range slices.Sorted(maps.Keys(d.Probes)) {
		if _, err := drill.ParseProbe(container+"="+d.Probes[container], drill.FromJob); err != nil {
			return "drill: " + err.Error()
		}
	}
	for _, file := range d.Reports {
		if !filepath.IsAbs(file) {
			return fmt.Sprintf("drill: report %q is not absolute", file)
		}
		if err := drill.CheckReport(file); err != nil {
			return fmt.Sprintf("drill: report %q does not end in .html, .md or .json", file)
		}
	}
	return ""
}

// drill rehearses the restore of the new snapshot.
func (r *run) drill(ctx context.Context) (string, error) {
	if r.backup.Engine == nil {
		return "", errors.New("there is no engine to rehearse on")
	}
	report, err := r.env.Drill(ctx, r.backup, r.job, r.record.Snapshot)
	if report == nil {
		return "", err
	}
	return "drill " + report.ID + " " + report.Summary(), err
}

// ParseSpan reads a length of time: 90s, 30m, 26h, 7d, 8w.
func ParseSpan(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	age, err := backup.ParseAge(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no length of time: write 30m, 26h or 7d", text)
	}
	return Age{age}.Duration(), nil
}
