package job

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"davit/backup/drill"
	"davit/engine/hostfs"
)

// metric is one number of a job, taken of a record of a run or a report of a drill.
type metric[R any] struct {
	name, help string
	value      func(R) float64
}

// WriteMetrics writes what a history (newest first) says into a file for the textfile collector. What is named
// last_success is of the newest run of a job in which all was well, and so stands still when one fails.
// What is named drill_last_success is of the newest drill of a job's snapshots that passed.
func WriteMetrics(file, host string, history []*Record, drills []*drill.Report) error {
	var b strings.Builder
	good, tried := map[string]*Record{}, map[string]*Record{}
	var unprotected *Record
	for _, r := range slices.Backward(history) {
		if r.Ended.IsZero() {
			continue
		}
		tried[r.Job] = r
		if r.Good() {
			good[r.Job] = r
		}
		if r.Unprotected >= 0 {
			unprotected = r
		}
	}
	for _, m := range []metric[*Record]{
		{"last_success_timestamp_seconds", "When the newest good run of a job ended.", func(r *Record) float64 { return ended(r) }},
		{"last_success_duration_seconds", "How long it took.", func(r *Record) float64 { return r.Seconds }},
		{"last_success_bytes", "What its items hold.", func(r *Record) float64 { return float64(r.Totals.Bytes) }},
		{"last_success_bytes_read", "What it had to read.", func(r *Record) float64 { return float64(r.Totals.BytesRead) }},
		{"last_success_bytes_new", "What was not in the repository before.", func(r *Record) float64 { return float64(r.Totals.BytesNew) }},
		{"last_success_bytes_stored", "What that took there.", func(r *Record) float64 { return float64(r.Totals.Stored) }},
		{"last_success_items", "How many items it saved.", func(r *Record) float64 { return float64(r.Totals.Items) }},
		{"last_success_freeze_seconds", "The longest time for which it held containers.", func(r *Record) float64 { return r.Freezes.Longest }},
	} {
		m.write(&b, host, good)
	}
	for _, m := range []metric[*Record]{
		{"last_attempt_timestamp_seconds", "When the newest run of a job ended, however it did.", func(r *Record) float64 { return ended(r) }},
		{"last_attempt_good", "1 when all was well in it, else 0.", func(r *Record) float64 {
			if r.Good() {
				return 1
			}
			return 0
		}},
		{"last_attempt_problems", "Problems in it.", func(r *Record) float64 { return float64(len(r.Problems) + r.More) }},
	} {
		m.write(&b, host, tried)
	}
	writeCopies(&b, host, history)
	if unprotected != nil {
		m := metric[*Record]{"unprotected_volumes", "Volumes of this host that no snapshot holds.", nil}
		m.head(&b)
		fmt.Fprintf(&b, "%s%s{host=%s} %d\n", prefix, m.name, label(host), unprotected.Unprotected)
	}
	writeDrills(&b, host, drills)
	// Node_exporter runs as another user.
	if err := hostfs.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

const prefix = "davit_backup_"

func (m metric[R]) head(b *strings.Builder) {
	fmt.Fprintf(b, "# HELP %s%s %s\n# TYPE %s%s gauge\n", prefix, m.name, m.help, prefix, m.name)
}

// write writes a number for each job that has a record; without any, not even the head.
func (m metric[R]) write(b *strings.Builder, host string, records map[string]R) {
	if len(records) == 0 {
		return
	}
	m.head(b)
	for _, job := range sortedKeys(records) {
		fmt.Fprintf(b, "%s%s{host=%s,job=%s} %s\n", prefix, m.name, label(host), label(job), number(m.value(records[job])))
	}
}

// writeCopies tells of the newest good copy of each job to each repository.
func writeCopies(b *strings.Builder, host string, history []*Record) {
	type place struct{ job, to string }
	newest, at := map[place]CopyRecord{}, map[place]*Record{}
	for _, r := range slices.Backward(history) {
		for _, c := range r.Copies {
			if p := (place{r.Job, c.To}); c.Error == "" && !r.Ended.IsZero() {
				newest[p], at[p] = c, r
			}
		}
	}
	if len(newest) == 0 {
		return
	}
	places := slices.SortedFunc(maps.Keys(newest), func(a, b place) int {
		return cmp.Or(strings.Compare(a.job, b.job), strings.Compare(a.to, b.to))
	})
	for _, m := range []metric[place]{
		{"last_copy_timestamp_seconds", "When the newest run ended that copied to a repository all that was new.", func(p place) float64 { return ended(at[p]) }},
		{"last_copy_bytes_stored", "What that took there.", func(p place) float64 { return float64(newest[p].Stored) }},
		{"last_copy_duration_seconds", "How long it took.", func(p place) float64 { return newest[p].Seconds }},
	} {
		m.head(b)
		for _, p := range places {
			fmt.Fprintf(b, "%s%s{host=%s,job=%s,to=%s} %s\n", prefix, m.name, label(host), label(p.job), label(p.to), number(m.value(p)))
		}
	}
}

func ended(r *Record) float64 { return float64(r.Ended.UnixMilli()) / 1000 }

// number is a float as Prometheus reads it, without an exponent for people's sake.
func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// label quotes a value of a label: only these three characters have to be.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "�")) + `"`
}

func sortedKeys[R any](m map[string]R) []string { return slices.Sorted(maps.Keys(m)) }
