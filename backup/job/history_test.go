package job

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/engine/hostfs"
)

// A history keeps the newest records, and of each job the newest good one.
func TestHistoryBounded(t *testing.T) {
	h := OpenHistory(t.TempDir())
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write := func(i int, job string, result Result) {
		at := began.Add(time.Duration(i) * time.Minute)
		if err := h.write(&Record{Version: 1, ID: recordID(at, job, "x"), Job: job, Began: at, Ended: at, Result: result}); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "rare", ResultOK)
	write(1, "rare", ResultFailed)
	for i := range keepRecords {
		write(2+i, "often", ResultFailed)
	}
	if err := h.tidy(""); err != nil {
		t.Fatal(err)
	}
	list, err := h.List()
	if err != nil || len(list) != keepRecords+1 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	if last := list[keepRecords]; last.Job != "rare" || !last.Good() {
		t.Errorf("the oldest is %+v", last)
	}
}

// A run that was killed says so: at once in the list, and on disk from the next run on.
func TestHistoryKilled(t *testing.T) {
	h := OpenHistory(t.TempDir())
	rec := &Record{Version: 1, ID: "20260101T000000.000Z-a-x", Job: "a", Result: ResultRunning}
	if err := h.write(rec); err != nil {
		t.Fatal(err)
	}
	lock, err := h.takeLock(t.Context(), lockOwner{}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := h.List(); err != nil || list[0].Result != ResultRunning {
		t.Errorf("%+v, %v", list, err)
	}
	lock.release()
	if list, err := h.List(); err != nil || list[0].Result != ResultKilled {
		t.Errorf("%+v, %v", list, err)
	}
	if lock, err = h.takeLock(t.Context(), lockOwner{}, 0, nil); err != nil { // as the next run has it
		t.Fatal(err)
	}
	defer lock.release()
	if err := h.tidy("another"); err != nil {
		t.Fatal(err)
	}
	if kept, err := readRecord(filepath.Join(h.dir, rec.ID+".json")); err != nil || kept.Result != ResultKilled {
		t.Errorf("%+v, %v", kept, err)
	}
}

// Who looks whether a run goes on keeps none from beginning, also not one that does not want to wait.
func TestLookingKeepsNoRunOut(t *testing.T) {
	h := OpenHistory(t.TempDir())
	lock, err := h.takeLock(t.Context(), lockOwner{Job: "a"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	lock.release()
	looks, err := os.Open(lockPath(h.dir))
	if err != nil {
		t.Fatal(err)
	}
	defer looks.Close()
	if err := hostfs.LockShared(looks); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		if err := hostfs.Unlock(looks); err != nil {
			t.Error(err)
		}
	})
	if lock, err = h.takeLock(t.Context(), lockOwner{Job: "a"}, 0, nil); err != nil {
		t.Fatal(err)
	}
	lock.release()
}

// Records that cannot be read are named, and hide no others.
func TestHistoryUnreadable(t *testing.T) {
	dir := t.TempDir()
	h := OpenHistory(dir)
	if list, err := h.List(); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := h.write(&Record{Version: 1, ID: "2-a-x", Result: ResultOK}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"1-a-x.json": "{", "3-a-x.json": `{"version":9}`, "note.txt": "?"} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := h.List()
	if len(list) != 1 || list[0].ID != "2-a-x" || err == nil || !strings.Contains(err.Error(), "a newer davit wrote it") {
		t.Errorf("%+v, %v", list, err)
	}
}

// A record stays small whatever went wrong.
func TestRecordBounded(t *testing.T) {
	r := &Record{Result: ResultOK}
	rep := &backup.Report{}
	for i := range 5000 {
		rep.Problems = append(rep.Problems, backup.Problem{Item: "volume/v", Path: fmt.Sprint(i), Reason: strings.Repeat("x", 10_000)})
	}
	r.addReport(rep)
	for range 1000 {
		r.addHook(HookRecord{Output: strings.Repeat("y", 9000) + "end"})
		r.warn("%s", strings.Repeat("z", 9000))
	}
	if len(r.Problems) != maxRecordProblems || r.More != 4900+800+950 || len(r.Problems[0].Reason) > maxRecordText+3 {
		t.Errorf("%d problems, %d more", len(r.Problems), r.More)
	}
	if out := r.Hooks[0].Output; len(out) > maxRecordText+3 || !strings.HasSuffix(out, "end") {
		t.Errorf("the output is %d bytes", len(out))
	}
}

// The gauges of success stand still when a run fails.
func TestMetricsStandStill(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "davit.prom")
	at := time.Unix(1_700_000_000, 0)
	ok := &Record{Job: "nightly", Result: ResultOK, Ended: at, Seconds: 12, Totals: backup.Totals{Bytes: 1 << 40, Items: 3}, Unprotected: 2}
	successes := func(history []*Record) string {
		t.Helper()
		if err := WriteMetrics(file, `na"s`, history, nil); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "last_success") {
				lines = append(lines, line)
			}
		}
		if !strings.Contains(string(data), `davit_backup_unprotected_volumes{host="na\"s"} 2`) {
			t.Errorf("metrics are %s", data)
		}
		return strings.Join(lines, "")
	}
	first := successes([]*Record{ok})
	for _, want := range []string{
		`davit_backup_last_success_timestamp_seconds{host="na\"s",job="nightly"} 1700000000`,
		`davit_backup_last_success_bytes{host="na\"s",job="nightly"} 1099511627776`,
	} {
		if !strings.Contains(first, want+"\n") {
			t.Errorf("no %s in %s", want, first)
		}
	}
	for _, result := range []Result{ResultPartial, ResultDamaged, ResultFailed, ResultTimeout, ResultInterrupted, ResultKilled} {
		bad := &Record{Job: "nightly", Result: result, Ended: at.Add(time.Hour), Seconds: 99, Totals: backup.Totals{Bytes: 7}, Unprotected: -1}
		if got := successes([]*Record{{Job: "nightly", Result: ResultRunning}, bad, ok}); got != first {
			t.Errorf("%s moved them: %s", result, got)
		}
		data, _ := os.ReadFile(file)
		if !strings.Contains(string(data), `last_attempt_timestamp_seconds{host="na\"s",job="nightly"} 1700003600`) ||
			!strings.Contains(string(data), `last_attempt_good{host="na\"s",job="nightly"} 0`) {
			t.Errorf("after %s: %s", result, data)
		}
	}
}
