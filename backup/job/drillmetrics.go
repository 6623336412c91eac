package job

import (
	"errors"
	"slices"
	"strings"
	"time"

	"davit/backup/drill"
)

// RefreshMetrics writes the metrics of what a state folder holds.
func RefreshMetrics(file, host, stateDir string) error {
	records, err := OpenHistory(stateDir).List()
	drills, more := drill.Reports(stateDir)
	return errors.Join(err, more, WriteMetrics(file, host, records, drills))
}

// writeDrills writes the numbers of drills (newest first), by the job whose snapshots were rehearsed.
func writeDrills(b *strings.Builder, host string, drills []*drill.Report) {
	good, tried := map[string]*drill.Report{}, map[string]*drill.Report{}
	for _, r := range slices.Backward(drills) {
		if r.Verdict == drill.Running {
			continue
		}
		tried[r.Snapshot.Job] = r
		if r.Verdict == drill.Passed {
			good[r.Snapshot.Job] = r
		}
	}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	for _, m := range []metric[*drill.Report]{
		{"drill_last_success_timestamp_seconds", "When the newest drill that passed ended.", func(r *drill.Report) float64 { return seconds(r.Ended) }},
		{"drill_last_success_rto_seconds", "How long the recovery took in it.", func(r *drill.Report) float64 { return r.RTO.Seconds }},
		{"drill_last_success_snapshot_timestamp_seconds", "When the snapshot was made that it proved.", func(r *drill.Report) float64 { return seconds(r.Snapshot.Time) }},
	} {
		m.write(b, host, good)
	}
	for _, m := range []metric[*drill.Report]{
		{"drill_last_attempt_timestamp_seconds", "When the newest drill began, however it ended.", func(r *drill.Report) float64 { return seconds(r.Began) }},
		{"drill_last_attempt_passed", "1 when it passed, else 0.", func(r *drill.Report) float64 {
			if r.Verdict == drill.Passed {
				return 1
			}
			return 0
		}},
		{"drill_last_attempt_failed_checks", "Checks that failed in it.", func(r *drill.Report) float64 { return float64(r.Count(drill.Fail)) }},
	} {
		m.write(b, host, tried)
	}
}
