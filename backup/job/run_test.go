package job

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/hook"
)

// A job does all of it in order, and leaves a record.
func TestRun(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "    after: [verify-data, forget, gc]\n    retention: {last: 2}\n    rpo: 26h", "")
	for range 3 {
		rec, err := Run(t.Context(), h.env, c, j)
		if err != nil || !rec.Good() || rec.Snapshot == "" || rec.Totals.Files != 1 || rec.Ended.Before(rec.Began) {
			t.Fatalf("%+v, %v", rec, err)
		}
		if len(rec.Steps) != 3 || rec.Steps[0].Step != StepVerifyData || rec.Steps[2].Detail == "" || len(rec.Warnings) > 0 {
			t.Errorf("%+v", rec)
		}
	}
	snaps, err := h.env.Snapshots(t.Context(), &Repository{Path: h.repo})
	if err != nil || len(snaps) != 2 || snaps[0].Job != "nightly" || backup.RPO(snaps[0]) != 26*time.Hour {
		t.Errorf("%+v, %v", snaps, err)
	}
	list, err := OpenHistory(h.env.StateDir).List()
	if err != nil || len(list) != 3 || !list[0].Began.After(list[1].Began) {
		t.Errorf("%+v, %v", list, err)
	}
}

// With a sample each night reads a part of all that is there, and says how far it is.
func TestRunSample(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "    after: [verify-data]\n    verify: {sample: 50%}", "")
	for i := range 4 {
		rec, err := Run(t.Context(), h.env, c, j)
		if err != nil || len(rec.Steps) != 1 || !strings.Contains(rec.Steps[0].Detail, " read since ") {
			t.Fatalf("run %d: %+v, %v", i, rec, err)
		}
	}
	damage(t, h.repo)
	for range 4 { // its turn comes
		rec, err := Run(t.Context(), h.env, c, j)
		if rec.Result == ResultDamaged {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no run found the damage")
}

// What is damaged is found, is the result, and keeps the steps after it from being done.
func TestRunDamaged(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "    after: [verify-data, forget]\n    retention: {last: 1}", "")
	if _, err := Run(t.Context(), h.env, c, j); err != nil {
		t.Fatal(err)
	}
	damage(t, h.repo)
	rec, err := Run(t.Context(), h.env, c, j)
	var damaged *backup.DamageError
	if !errors.As(err, &damaged) || rec.Result != ResultDamaged || !rec.Steps[1].Skipped || rec.Error == "" {
		t.Errorf("%+v, %v", rec, err)
	}
	if snaps, err := h.env.Snapshots(t.Context(), &Repository{Path: h.repo}); err != nil || len(snaps) != 2 {
		t.Errorf("%d snapshots, %v", len(snaps), err)
	}
}

// damage flips a byte of the largest blob, which is the data.
func damage(t *testing.T, dir string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil || len(blobs) == 0 {
		t.Fatal(err)
	}
	for _, b := range blobs {
		data, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 4 && data[0] == 0x28 && data[1] == 0xb5 { // a zstd frame
			data[len(data)-1] ^= 1
			if err := os.WriteFile(b, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A run that makes no snapshot does nothing after it, and says why.
func TestRunFailed(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "    after: [verify]", "")
	if err := os.RemoveAll(h.data); err != nil {
		t.Fatal(err)
	}
	rec, err := Run(t.Context(), h.env, c, j)
	var missing *backup.NotFoundError
	if !errors.As(err, &missing) || rec.Result != ResultFailed || rec.Snapshot != "" || !rec.Steps[0].Skipped {
		t.Errorf("%+v, %v", rec, err)
	}
}

// A time limit and a signal end a run, and the record says which it was.
func TestRunEnded(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "", "")
	j.MaxDuration.Duration = time.Nanosecond
	rec, err := Run(t.Context(), h.env, c, j)
	if err == nil || rec.Result != ResultTimeout || !strings.Contains(rec.Error, "took too long: more than 1ns") {
		t.Errorf("%+v, %v", rec, err)
	}
	j.MaxDuration.Duration = 0
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	open := h.env.Open
	h.env.Open = func(c context.Context, in *Repository, engine bool, log func(hook.Result)) (*backup.Env, func(), error) {
		cancel(stopped)
		return open(c, in, engine, log)
	}
	rec, err = Run(ctx, h.env, c, j)
	if !errors.Is(err, stopped) || rec.Result != ResultInterrupted || rec.Ended.IsZero() {
		t.Errorf("%+v, %v", rec, err)
	}
}

// One run at a time: the second leaves, or waits for the first to end.
func TestRunLocked(t *testing.T) {
	h := newTestHost(t)
	c, j := h.config(t, "", "")
	history := OpenHistory(h.env.StateDir)
	lock, err := history.takeLock(t.Context(), lockOwner{Job: "other", PID: 7, Since: h.now}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := Run(t.Context(), h.env, c, j)
	var busy *BusyError
	if rec != nil || !errors.As(err, &busy) || busy.Job != "other" || busy.PID != 7 {
		t.Fatalf("%+v, %v", rec, err)
	}
	j.Wait = &Duration{time.Minute}
	h.env.Say = func(string) { lock.release() } // it is told to wait, and then the other ends
	if rec, err := Run(t.Context(), h.env, c, j); err != nil || !rec.Good() {
		t.Errorf("%+v, %v", rec, err)
	}
}

// Nobody who is told, and nothing that does not answer, changes how a run went.
func TestRunTells(t *testing.T) {
	h := newTestHost(t)
	var mu sync.Mutex
	got := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = string(body)
		if r.URL.Path == "/secret-refused" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	pingFile := filepath.Join(h.dir, "ping")
	if err := os.WriteFile(pingFile, []byte(server.URL+"/ping\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	more := "notifications:\n" +
		"  record: {webhook: '" + server.URL + "/record', on: [success, problem]}\n" +
		"  text: {webhook: '" + server.URL + "/text', on: [success], template: '{{.Host}} {{.Job}} {{.Result}}'}\n" +
		"  quiet: {webhook: '" + server.URL + "/quiet'}\n" +
		"  shout: {url: 'generic+" + server.URL + "/shout', on: [success]}\n" +
		"  refused: {webhook: '" + server.URL + "/secret-refused', on: [success]}\n" +
		"  dead: {webhook: 'http://127.0.0.1:1/secret-token', on: [success]}\n" +
		"  nobody: {url: 'generic+http://127.0.0.1:1/secret-token', on: [success]}\n" +
		"  none: {url_file: /no-such-file, on: [success]}\n"
	c, j := h.config(t, "    notify: [record, text, quiet, shout, refused, dead, nobody, none]\n    ping: {url_file: "+pingFile+"}", more)
	rec, err := Run(t.Context(), h.env, c, j)
	if err != nil || !rec.Good() {
		t.Fatalf("%+v, %v", rec, err)
	}
	mu.Lock()
	defer mu.Unlock()
	var sent Record
	if err := json.Unmarshal([]byte(got["/record"]), &sent); err != nil || sent.Snapshot != rec.Snapshot {
		t.Errorf("record is %s", got["/record"])
	}
	if got["/text"] != "nas nightly ok" || !strings.Contains(got["/shout"], "job nightly: ok") {
		t.Errorf("got %v", got)
	}
	if _, ok := got["/quiet"]; ok {
		t.Error("told of a success that it did not ask for")
	}
	if _, ok := got["/ping/start"]; !ok || !strings.HasPrefix(got["/ping"], "ok: snapshot") {
		t.Errorf("pings are %v", got)
	}
	warnings := strings.Join(rec.Warnings, "\n")
	for _, name := range []string{"notification refused: answered 418", "notification dead: ", "notification nobody: ", "notification none: "} {
		if !strings.Contains(warnings, name) {
			t.Errorf("no warning %q in %s", name, warnings)
		}
	}
	if len(rec.Warnings) != 4 || strings.Contains(warnings, "secret") {
		t.Errorf("warnings are %s", warnings)
	}
	if list, err := OpenHistory(h.env.StateDir).List(); err != nil || len(list[0].Warnings) != 4 {
		t.Errorf("the record is kept without its warnings: %v", err)
	}
	if err := os.RemoveAll(h.data); err != nil {
		t.Fatal(err)
	}
	clear(got)
	mu.Unlock()
	if _, err := Run(t.Context(), h.env, c, j); err == nil {
		t.Error("no error")
	}
	mu.Lock()
	if _, ok := got["/ping"]; ok || !strings.HasPrefix(got["/ping/fail"], "failed: ") || got["/quiet"] == "" || got["/text"] != "" {
		t.Errorf("after a failure: %v", got)
	}
}

// An address that never answers is left behind.
func TestTellHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	tell := newTeller("test")
	tell.time = 50 * time.Millisecond
	list := []*Notification{
		{Webhook: server.URL + "/hook", name: "web"},
		{URL: "generic+" + server.URL + "/shout", name: "shout"},
	}
	errs := tell.tellAll(t.Context(), list, &Record{Result: ResultFailed})
	if len(errs) != 2 || !strings.Contains(errs[1].Error(), "no answer within 50ms") {
		t.Errorf("errors are %v", errs)
	}
	if err := tell.ping(t.Context(), &Ping{URL: server.URL + "/secret-uuid"}, "/start", ""); err == nil || strings.Contains(err.Error(), "secret-uuid") {
		t.Errorf("error is %v", err)
	}
}
