package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup"
	"davit/backup/repo"
	"davit/backup/verified"
	"davit/engine"
)

func snapshot(host, job string, at time.Time, complete bool, rpo string, volumes ...string) repo.Snapshot {
	s := repo.Snapshot{
		ID: fmt.Sprintf("%s-%s-%d", host, job, at.Unix()), Host: host, Job: job, Time: at, Complete: complete,
		Summary: map[string]string{"rpo": rpo},
	}
	for _, v := range volumes {
		s.Items = append(s.Items, repo.Item{Kind: repo.KindVolume, Name: v})
	}
	return s
}

// The fleet by a repository alone: jobs and volumes of each host, by what the snapshots say themselves.
func TestStatusOfFleet(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	ago := func(h int) time.Time { return now.Add(-time.Duration(h) * time.Hour) }
	in := StatusInput{Host: "nas", Now: now, Repositories: []RepositorySnapshots{{Dir: "/r", Snapshots: []repo.Snapshot{
		snapshot("a", "nightly", ago(10), true, "26h0m0s", "db"),
		snapshot("a", "nightly", ago(34), true, "26h0m0s", "db", "gone"), // "gone" was removed since then
		snapshot("b", "nightly", ago(3), false, "26h0m0s", "db"),         // "www" could not be saved
		snapshot("b", "nightly", ago(30), true, "26h0m0s", "db", "www"),
		snapshot("c", "nightly", ago(500), true, "", "db"),
		snapshot("c", "never", ago(5), false, "", "x"),
		snapshot("c", repo.JobPruneArchive, ago(5), true, "", "archived"),
		snapshot("c", "nightly", now.Add(48*time.Hour), true, "", "db"), // by a wrong clock
	}}}}
	states := func() map[string]State {
		t.Helper()
		report, err := Status(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		got, bad := map[string]State{}, 0
		for _, h := range report.Hosts {
			for _, j := range h.Jobs {
				got[h.Host+" job "+j.Job] = j.State
			}
			for _, v := range h.Volumes {
				got[h.Host+" "+v.Volume] = v.State
			}
		}
		for _, s := range got {
			if s.Bad() {
				bad++
			}
		}
		var unprotected *UnprotectedError
		if bad != report.Bad || errors.As(report.Err(), &unprotected) != (bad > 0) {
			t.Errorf("%d are bad, and it says %d: %v", bad, report.Bad, report.Err())
		}
		return got
	}
	same := func(got, want map[string]State) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	same(states(), map[string]State{
		"a job nightly": StateOK, "a db": StateOK,
		"b job nightly": StateOld, "b db": StateOK, "b www": StateOld,
		"c job nightly": StateOK, "c job never": StateNever, "c db": StateOK, "c x": StateOK,
	})
	rpo := 24 * time.Hour
	in.RPO, in.Only = &rpo, "c"
	same(states(), map[string]State{"c job nightly": StateOld, "c job never": StateNever, "c db": StateOld, "c x": StateOK})
}

// A repository tells when it was last verified from here; one with damage needs somebody to look.
func TestStatusOfVerified(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	in := StatusInput{
		Host: "nas", Now: now, Repositories: []RepositorySnapshots{{Dir: "/a"}, {Dir: "/b"}, {Dir: "/c"}, {Dir: "/away", Err: errors.New("no")}},
		Verified: map[string]*verified.Last{"/a": {Time: now.Add(-time.Hour), Data: true}, "/b": {Time: now.Add(-time.Minute), Damaged: 3}, "/c": nil},
		Unread:   errors.Join(errors.New("one"), errors.New("two")),
	}
	report, err := Status(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range report.Repositories {
		got += fmt.Sprintln(r.Repository, r.Verified != nil, r.Age, r.Data, r.Damaged)
	}
	if want := "/a true 3600 true 0\n/b true 60 false 3\n/c false 0 false 0\n"; got != want || report.Bad != 1 || fmt.Sprint(report.Notes) != "[one; two]" {
		t.Errorf("%d are bad of\n%swant 1 of\n%s", report.Bad, got, want)
	}
}

// The jobs of this host are those of its configuration, also when there is nothing of them yet or their
// repository cannot be read.
func TestStatusOfHost(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	c, err := ParseConfig("x", []byte("version: 1\nrepositories: {r: {path: /r}, s: {path: /s}}\njobs:\n"+
		"  good: {repository: r, rpo: 2h}\n  new: {repository: r}\n  lost: {repository: s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Status(t.Context(), StatusInput{
		Host: "nas", Now: now, Config: c, Only: "nas",
		Repositories: []RepositorySnapshots{
			{Dir: "/r", Snapshots: []repo.Snapshot{snapshot("nas", "good", now.Add(-time.Hour), true, "1m0s")}},
			{Dir: "/s", Err: errors.New("no such folder")},
		},
		History: []*Record{{Job: "new", Result: ResultFailed, Error: "engine unreachable"}},
	})
	if err != nil || len(report.Hosts) != 1 || report.Bad != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	jobs := report.Hosts[0].Jobs
	if len(jobs) != 3 || jobs[0].State != StateOK || jobs[0].RPO != 7200 || jobs[1].State != StateUnknown ||
		jobs[2].State != StateNever || jobs[2].LastRun != ResultFailed || jobs[2].Reason != "engine unreachable" {
		t.Errorf("%+v", jobs)
	}
}

// volumesOnly is an engine that has nothing but volumes.
type volumesOnly struct {
	backup.Host
	names []string
}

func (v volumesOnly) Volumes(context.Context) ([]engine.Volume, error) {
	list := []engine.Volume{
		{Name: "cast off", Anonymous: true}, {Name: "left out", Labels: map[string]string{backup.LabelBackup: "false"}},
	}
	for _, name := range v.names {
		list = append(list, engine.Volume{Name: name})
	}
	return list, nil
}

func (v volumesOnly) Containers(context.Context) ([]engine.Container, error) { return nil, nil }

// A host that can only write to its encrypted repository knows by its records which volumes are in there, and
// says when it does not know.
func TestStatusWithoutAKey(t *testing.T) {
	h := newTestHost(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	options := repo.Options{Now: h.clock, Rand: rand.Reader, Host: "nas", HostKeys: filepath.Join(h.dir, "keys")}
	h.repo = filepath.Join(h.dir, "encrypted")
	r, err := repo.InitEncrypted(h.repo, options, []repo.KeyHolder{{Name: "test", Recipient: id.Recipient()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, j := h.config(t, "    rpo: 26h", "")
	env := &backup.Env{Repo: r, Host: "nas", StateDir: h.env.StateDir, Now: h.clock, Rand: rand.Reader}
	plan, err := backup.PlanCreate(t.Context(), env, j.Options())
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), env, plan)
	if err != nil {
		t.Fatal(err)
	}
	snaps, err := r.Snapshots(t.Context())
	if err != nil || len(snaps) != 1 || !snaps[0].Sealed() {
		t.Fatalf("%+v, %v", snaps, err)
	}
	states := func(history ...*Record) map[string]State {
		t.Helper()
		status, err := Status(t.Context(), StatusInput{
			Host: "nas", Now: h.now, Config: c, Engine: volumesOnly{names: []string{"db", "new"}}, History: history,
			Repositories: []RepositorySnapshots{{Dir: h.repo, Snapshots: snaps}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(status.Notes) != 1 || !strings.Contains(status.Notes[0], "only a key") {
			t.Errorf("notes are %q", status.Notes)
		}
		got := map[string]State{}
		for _, v := range status.Hosts[0].Volumes {
			got[v.Volume] = v.State
		}
		return got
	}
	known := states(&Record{Job: "nightly", Snapshot: report.Snapshot, Volumes: []string{"db"}})
	if want := map[string]State{"db": StateOK, "new": StateUnprotected, "left out": StateExcluded}; fmt.Sprint(known) != fmt.Sprint(want) {
		t.Errorf("with its record: %v", known)
	}
	if got := states(); got["db"] != StateUnknown || got["new"] != StateUnknown {
		t.Errorf("without: %v", got)
	}
}
