package job

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"davit/backup/repo"
)

// A job copies what is new to its other repositories, catches up on nights on which one was away, tells of it in record
// and metrics, and brings nothing back that was forgotten there.
func TestRunCopies(t *testing.T) {
	h := newTestHost(t)
	near, far := h.dir+"/near", h.dir+"/far"
	for _, dir := range []string{near, far} {
		h.initAt(t, dir)
	}
	textfile := h.dir + "/davit.prom"
	c, j := h.config(t, "", "metrics: {textfile: "+textfile+"}")
	c.Repositories["near"], c.Repositories["far"] = &Repository{Path: near}, &Repository{Path: far}
	j.After, j.Copy = []Step{StepCopy}, &Copy{To: []string{"near", "far"}}

	rec, err := Run(t.Context(), h.env, c, j)
	if err != nil || len(rec.Copies) != 2 || rec.Copies[0].Snapshots != 1 || rec.Copies[1].Stored == 0 || rec.Steps[0].Detail != "1 snapshot to near, 1 snapshot to far" {
		t.Fatalf("%+v, %v", rec, err)
	}
	first := rec.Snapshot
	if err := os.Rename(near, near+".away"); err != nil {
		t.Fatal(err)
	}
	rec, err = Run(t.Context(), h.env, c, j)
	if err == nil || rec.Result != ResultFailed || rec.Snapshot == "" || rec.Copies[0].Error == "" || rec.Copies[1].Snapshots != 1 {
		t.Errorf("one is away: %+v, %v", rec, err)
	}
	if err := os.Rename(near+".away", near); err != nil {
		t.Fatal(err)
	}
	h.forgetAt(t, far, first)
	rec, err = Run(t.Context(), h.env, c, j)
	if err != nil || rec.Copies[0].Snapshots != 2 || rec.Copies[1].Snapshots != 1 {
		t.Errorf("back again: %+v, %v", rec, err)
	}
	for dir, want := range map[string]int{near: 3, far: 2} {
		if snaps, err := h.env.Snapshots(t.Context(), &Repository{Path: dir}); err != nil || len(snaps) != want {
			t.Errorf("%s has %d snapshots, %v", dir, len(snaps), err)
		}
	}
	data, err := os.ReadFile(textfile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`davit_backup_last_copy_timestamp_seconds{host="nas",job="nightly",to="far"} `,
		`davit_backup_last_copy_bytes_stored{host="nas",job="nightly",to="near"} `,
	} {
		if !strings.Contains(string(data), "\n"+want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}

// A chunk that is damaged is not copied; the run says damaged, and what follows is left out.
func TestRunCopiesNoDamage(t *testing.T) {
	h := newTestHost(t)
	h.initAt(t, h.dir+"/far")
	c, j := h.config(t, "", "")
	j.After, j.Copy = []Step{StepCopy, StepGC}, &Copy{To: []string{"far"}}
	c.Repositories["far"] = &Repository{Path: h.dir + "/far"}
	if _, err := Run(t.Context(), h.env, c, j); err != nil {
		t.Fatal(err)
	}
	h.write(t, "a", "second")
	j.After = []Step{StepGC}
	if _, err := Run(t.Context(), h.env, c, j); err != nil {
		t.Fatal(err)
	}
	damage(t, h.repo)
	j.After = []Step{StepCopy, StepGC}
	rec, err := Run(t.Context(), h.env, c, j)
	if err == nil || rec.Result != ResultDamaged || rec.Copies[0].Error == "" || !rec.Steps[1].Skipped {
		t.Errorf("%+v, %v", rec, err)
	}
}

func (h *testHost) initAt(t *testing.T, dir string) {
	t.Helper()
	r, err := repo.Init(dir, repo.Options{Now: h.clock, Rand: rand.Reader, Host: "nas"})
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *testHost) forgetAt(t *testing.T, dir, id string) {
	t.Helper()
	r, err := repo.Open(dir, repo.Options{Now: h.clock, Rand: rand.Reader, Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Forget(t.Context(), func([]repo.Snapshot) ([]string, error) { return []string{id}, nil }); err != nil {
		t.Fatal(err)
	}
}
