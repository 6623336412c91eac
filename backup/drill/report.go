package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/backup"
)

// ReportVersion is the version of a report as JSON.
const ReportVersion = 1

// Verdict is how a drill ended.
type Verdict string

// The verdicts.
const (
	Passed      Verdict = "passed"
	Partial     Verdict = "partial"     // what could be rehearsed passed; something of the snapshot could not
	Failed      Verdict = "failed"      // a check failed
	Interrupted Verdict = "interrupted" // a signal or an error ended it before it was done
	Running     Verdict = "running"     // it has not ended yet
	Killed      Verdict = "killed"      // it never ended, and does not run any more
)

// Result is the answer of a check.
type Result string

// The results.
const (
	Pass    Result = "pass"
	Warning Result = "warning" // to be looked at; it does not make a drill fail
	Fail    Result = "fail"
	Skip    Result = "skip" // it could not be asked, because of what failed before
)

// Check is one question of a drill and its answer.
type Check struct {
	Name    string  `json:"check"`
	About   string  `json:"about"` // KIND/NAME, or "" for the whole
	Result  Result  `json:"result"`
	Detail  string  `json:"detail"`
	Output  string  `json:"output,omitempty"` // what a probe, or a container that failed, printed last
	Seconds float64 `json:"seconds"`
}

// Report is what became of a drill. It is kept, and what is handed to others.
type Report struct {
	Kind         string         `json:"kind"` // "drill"
	Version      int            `json:"version"`
	ID           string         `json:"id"`
	Host         string         `json:"host"` // where the drill was made
	Davit        string         `json:"davit"`
	Engine       EngineFacts    `json:"engine"`
	Job          string         `json:"job,omitempty"` // whose settings it had
	Scope        []string       `json:"scope"`         // projects or volumes, empty for all of the snapshot
	Snapshot     Snapshot       `json:"snapshot"`
	Began        time.Time      `json:"began"`
	Ended        time.Time      `json:"ended,omitzero"`
	Seconds      float64        `json:"seconds"`
	Verdict      Verdict        `json:"verdict"`
	Error        string         `json:"error,omitempty"` // what ended it early
	RTO          Objective      `json:"rto"`
	RPO          Objective      `json:"rpo"`
	Phases       []Phase        `json:"phases"` // what the recovery time is made of
	Volumes      []VolumeReport `json:"volumes"`
	Images       []ImageReport  `json:"images"`
	Containers   []Started      `json:"containers"`
	Checks       []Check        `json:"checks"`
	NotRehearsed []NotRehearsed `json:"not_rehearsed"`
	Notes        []string       `json:"notes"`
	Removed      *Removed       `json:"removed"` // null when what was made is still there
}

// EngineFacts is the engine that the drill was made on.
type EngineFacts struct {
	Version string `json:"version"`
	Storage string `json:"storage"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Objective is a measured time and its target.
type Objective struct {
	Seconds float64 `json:"seconds"`
	Target  float64 `json:"target_seconds,omitempty"` // 0: none
	Met     bool    `json:"met"`                      // also without a target
}

// Phase is a part of the recovery time.
type Phase struct {
	Name    string  `json:"phase"`
	Seconds float64 `json:"seconds"`
}

// VolumeReport is what became of one scratch volume.
type VolumeReport struct {
	Volume
	Files   int64   `json:"files"`
	Chunks  int64   `json:"chunks"` // that were read, each with its id checked
	Restore float64 `json:"restore_seconds"`
	Compare float64 `json:"compare_seconds"`
	Result  Result  `json:"result"`
}

// ImageReport is what became of one image.
type ImageReport struct {
	Image
	Result Result `json:"result"`
}

// Started is what became of one container.
type Started struct {
	Container
	Ready    float64 `json:"ready_seconds"` // from its start
	Health   string  `json:"health"`        // "healthy", "running", "exited", "not started"
	Restarts int     `json:"restarts"`
	Result   Result  `json:"result"`
}

// Count counts the checks with a result.
func (r *Report) Count(result Result) int {
	n := 0
	for _, c := range r.Checks {
		if c.Result == result {
			n++
		}
	}
	return n
}

// Proved tells a drill in which all that could be rehearsed came back.
func (r *Report) Proved() bool { return r.Verdict == Passed || r.Verdict == Partial }

// Bytes is what was restored and compared.
func (r *Report) Bytes() int64 {
	var sum int64
	for _, v := range r.Volumes {
		sum += v.Bytes
	}
	return sum
}

// Proves tells that all files of a volume came back as they were, whatever became of the rest.
func (r *Report) Proves(volume string) bool {
	return slices.ContainsFunc(r.Volumes, func(v VolumeReport) bool {
		return v.Item == backup.FormatItem(backup.KindVolume, volume) && v.Path == "" && v.Result == Pass
	})
}

// Summary says in one line how the drill went.
func (r *Report) Summary() string {
	switch r.Verdict {
	case Running:
		return "running"
	case Killed:
		return "killed: the drill never ended"
	case Interrupted:
		return "interrupted: " + r.Error
	case Failed:
		for _, c := range r.Checks {
			if c.Result == Fail {
				return fmt.Sprintf("failed: %d of %d checks, first %s: %s", r.Count(Fail), len(r.Checks), c.title(), c.Detail)
			}
		}
	}
	return fmt.Sprintf("%s: snapshot %s, %d checks, back in %s", r.Verdict, r.Snapshot.ID, len(r.Checks), span(r.RTO.Seconds))
}

// title names a check with what it is about.
func (c *Check) title() string {
	if c.About == "" {
		return c.Name
	}
	return c.Name + " of " + c.About
}

// FailedError says that a drill proved that something does not come back as it should (exit code 14).
type FailedError struct{ Report *Report }

func (e *FailedError) Error() string { return "drill " + e.Report.ID + " " + e.Report.Summary() }

// span is a number of seconds for people.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Minute:
		d = d.Round(100 * time.Millisecond)
	default:
		d = d.Round(time.Second)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// count writes a number with its noun: "1 file", "12 files".
func count[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
