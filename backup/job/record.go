package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/backup"
)

// RecordVersion is the version of the form in which records are kept.
const RecordVersion = 1

// Bounds of a record: what is beyond is counted, not kept.
const (
	maxRecordProblems = 100
	maxRecordWarnings = 50
	maxRecordHooks    = 200
	maxRecordVolumes  = 2000
	maxRecordText     = 2000 // bytes of an error or of a hook's output
)

// Result is how a run ended.
type Result string

// The results, the best first.
const (
	ResultOK          Result = "ok"
	ResultPartial     Result = "partial"     // a snapshot, but not all of it is as it should be
	ResultDamaged     Result = "damaged"     // verification or a drill found damage
	ResultFailed      Result = "failed"      // no snapshot, or a step after it failed
	ResultTimeout     Result = "timeout"     // max_duration ended it
	ResultInterrupted Result = "interrupted" // a signal ended it
	ResultRunning     Result = "running"     // it has not ended yet
	ResultKilled      Result = "killed"      // it never ended, and does not run any more
)

// Record is what is kept of one run.
type Record struct {
	Version    int       `json:"version"`
	ID         string    `json:"id"` // unique in a state folder, sorts by time
	Job        string    `json:"job"`
	Host       string    `json:"host"`
	Davit      string    `json:"davit"`
	Repository string    `json:"repository"` // folder
	Began      time.Time `json:"began"`
	Ended      time.Time `json:"ended,omitzero"`
	Seconds    float64   `json:"seconds"`
	Result     Result    `json:"result"`
	Error      string    `json:"error,omitempty"`

	Snapshot string         `json:"snapshot,omitempty"` // its id; "" when none was made
	Complete bool           `json:"complete"`
	Totals   backup.Totals  `json:"totals"`
	Freezes  FreezeTotals   `json:"freezes"`
	Steps    []StepRecord   `json:"steps"`
	Copies   []CopyRecord   `json:"copies,omitempty"`
	Hooks    []HookRecord   `json:"hooks"`
	Problems []RecordDetail `json:"problems"`
	Warnings []string       `json:"warnings"`
	Skipped  int            `json:"skipped"` // what was left out by a rule or a label
	Volumes  []string       `json:"volumes"` // that the snapshot holds: without a key an encrypted repository does not tell
	// Unprotected are the volumes of the host that no snapshot of it holds, -1 when that is not known.
	Unprotected int `json:"unprotected_volumes"`
	// More counts problems, warnings and hooks that are not listed.
	More int `json:"more,omitempty"`
}

// FreezeTotals sums how long containers were held.
type FreezeTotals struct {
	Groups   int     `json:"groups"`
	Longest  float64 `json:"longest_seconds"`
	Sum      float64 `json:"sum_seconds"`
	Exceeded int     `json:"exceeded"` // that max_freeze ended
}

// StepRecord is one step after the snapshot.
type StepRecord struct {
	Step    Step    `json:"step"`
	Detail  string  `json:"detail,omitempty"` // what it did, in a few words
	Error   string  `json:"error,omitempty"`
	Skipped bool    `json:"skipped,omitempty"` // because of what came before it
	Seconds float64 `json:"seconds"`
}

// CopyRecord is what the step copy did for one repository.
type CopyRecord struct {
	To        string  `json:"to"`        // name in the configuration
	Snapshots int     `json:"snapshots"` // copied
	Stored    int64   `json:"stored"`    // bytes written there
	Seconds   float64 `json:"seconds"`
	Error     string  `json:"error,omitempty"`
}

// HookRecord is one command that ran in a container.
type HookRecord struct {
	Container string  `json:"container"`
	When      string  `json:"when"` // "pre" or "post"
	Command   string  `json:"command"`
	Output    string  `json:"output,omitempty"` // its end
	Error     string  `json:"error,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// RecordDetail is one problem of a run.
type RecordDetail struct {
	Item   string `json:"item,omitempty"`
	Path   string `json:"path,omitempty"`
	Reason string `json:"reason"`
}

// Good tells a run in which all was well.
func (r *Record) Good() bool { return r.Result == ResultOK }

// Summary says in one line how the run went.
func (r *Record) Summary() string {
	switch {
	case r.Result == ResultRunning:
		return "running"
	case r.Result == ResultKilled:
		return "killed: the run never ended"
	case r.Result == ResultOK:
		return fmt.Sprintf("ok: snapshot %s, %s in %s", r.Snapshot, plural(r.Totals.Items, "item"), brief(r.Seconds))
	case r.Error != "":
		return string(r.Result) + ": " + r.Error
	}
	return string(r.Result) + ": " + plural(len(r.Problems)+r.More, "problem")
}

// warn notes something that is not right and costs no data.
func (r *Record) warn(format string, args ...any) {
	if len(r.Warnings) >= maxRecordWarnings {
		r.More++
		return
	}
	r.Warnings = append(r.Warnings, cut(fmt.Sprintf(format, args...)))
}

// addReport takes in what became of the snapshot.
func (r *Record) addReport(rep *backup.Report) {
	r.Snapshot, r.Complete, r.Totals, r.Skipped = rep.Snapshot, rep.Complete, rep.Totals, len(rep.Skipped)
	for _, it := range rep.Items {
		if it.Kind == backup.KindVolume && it.Saved && len(r.Volumes) < maxRecordVolumes {
			r.Volumes = append(r.Volumes, it.Name)
		}
	}
	for _, f := range rep.Freezes {
		r.Freezes.Groups++
		r.Freezes.Sum += f.Seconds
		r.Freezes.Longest = max(r.Freezes.Longest, f.Seconds)
		if f.Exceeded {
			r.Freezes.Exceeded++
		}
	}
	for _, p := range rep.Problems {
		if len(r.Problems) >= maxRecordProblems {
			r.More++
			continue
		}
		r.Problems = append(r.Problems, RecordDetail{Item: p.Item, Path: p.Path, Reason: cut(p.Reason)})
	}
}

func (r *Record) addHook(h HookRecord) {
	if len(r.Hooks) >= maxRecordHooks {
		r.More++
		return
	}
	h.Command, h.Output, h.Error = cut(h.Command), cutFront(h.Output), cut(h.Error)
	r.Hooks = append(r.Hooks, h)
}

// worse keeps the worse of two results.
func (r *Record) worse(result Result) {
	order := []Result{ResultOK, ResultPartial, ResultDamaged, ResultFailed, ResultTimeout, ResultInterrupted}
	if slices.Index(order, result) > slices.Index(order, r.Result) {
		r.Result = result
	}
}

// cut bounds a text and keeps its beginning.
func cut(s string) string {
	if len(s) <= maxRecordText {
		return s
	}
	return strings.ToValidUTF8(s[:maxRecordText], "") + "…"
}

// cutFront bounds a text and keeps its end, where programs say what went wrong.
func cutFront(s string) string {
	if len(s) <= maxRecordText {
		return s
	}
	return "…" + strings.ToValidUTF8(s[len(s)-maxRecordText:], "")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// brief is a number of seconds for a message.
func brief(seconds float64) string {
	return (time.Duration(seconds*10) * time.Second / 10).String()
}
