package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// healthy is a host on which nothing is wrong.
func healthy() Facts {
	return Facts{
		Now: noon, Root: true,
		Engine:     Engine{Version: "28.5.2", Where: "unix:///var/run/docker.sock", Local: true},
		Folders:    []Folder{{Path: "/var/lib/davit", Use: "state", Mode: 0o700, Free: 50 << 30, Nodes: 1 << 20}},
		Systemd:    Systemd{Running: true, Recover: "enabled", Timers: []string{"davit-backup-nightly.timer"}},
		Config:     Config{File: "/etc/davit/config.yaml", Jobs: 1},
		Repository: []Repository{{Path: "/srv/backup", Free: 50 << 30, Nodes: 1 << 20, Newest: noon.Add(-9 * time.Hour), Ahead: noon}},
		Clock:      Clock{Known: true, Synchronized: true},
		Drill:      &Drill{Last: noon.AddDate(0, 0, -30), Good: true},
	}
}

// TestJudge takes one thing at a time from a healthy host: it is found, with a way out, and nothing else is.
func TestJudge(t *testing.T) {
	if findings := Judge(healthy()); len(findings) != 11 || Err(findings) != nil {
		t.Errorf("a healthy host: %+v", findings)
	}
	for _, test := range []struct {
		name  string
		edit  func(*Facts)
		check string
		level Level
		text  string
	}{
		{"engine down", func(f *Facts) { f.Engine = Engine{Err: errors.New("no socket")} }, "engine", Problem, "no socket"},
		{"engine elsewhere", func(f *Facts) { f.Engine.Local, f.Engine.NotHere = false, "by ssh" }, "engine", Warning, "engine 28.5.2 at unix:///var/run/docker.sock: by ssh"},
		{"old engine", func(f *Facts) { f.Engine.Version = "19.03.15" }, "engine", Warning, "engine 19.03.15 at unix:///var/run/docker.sock is old"},
		{"user", func(f *Facts) { f.Root = false }, "permissions", Warning, "not root: volumes cannot be read"},
		{"state on a full disk", func(f *Facts) { f.Folders[0].Free = 100 << 20 }, "state folder", Problem, "/var/lib/davit has 100 MiB free"},
		{"no inodes", func(f *Facts) { f.Folders[0].Nodes = 12 }, "state folder", Problem, "/var/lib/davit has 50 GiB free, 12 inodes"},
		{"open state", func(f *Facts) { f.Folders[0].Mode = 0o755 }, "state folder", Warning, "/var/lib/davit can be read by others: journals name containers"},
		{"no systemd", func(f *Facts) { f.Systemd = Systemd{} }, "systemd", Warning, "systemd does not run this host"},
		{"unit off", func(f *Facts) { f.Systemd.Recover = "disabled" }, "systemd", Warning, "davit-recover.service is disabled: nothing undoes what a power cut left"},
		{"bad configuration", func(f *Facts) { f.Config.Err = errors.New("line 3: what") }, "configuration", Problem, "line 3: what"},
		{"nothing by itself", func(f *Facts) { f.Config.None = true }, "configuration", Warning, "no /etc/davit/config.yaml: nothing is backed up by itself"},
		{"no timer", func(f *Facts) { f.Systemd.Timers = nil }, "schedule", Warning, "1 job, and no timer of davit runs them"},
		{"no repository", func(f *Facts) { f.Repository = nil }, "repository", Warning, "none is known"},
		{"repository away", func(f *Facts) { f.Repository[0] = Repository{Err: errors.New("not mounted"), Hint: "mount it"} }, "repository", Problem, "not mounted"},
		{"repository nearly full", func(f *Facts) { f.Repository[0].Free = 2 << 30 }, "repository", Warning, "/srv/backup, 2.0 GiB free"},
		{"no backup", func(f *Facts) { f.Repository[0].Newest = time.Time{} }, "last backup", Problem, "/srv/backup holds no complete snapshot of this host"},
		{"old backup", func(f *Facts) { f.Repository[0].Newest = noon.AddDate(0, 0, -4) }, "last backup", Problem, "4 days ago, and should be within 26 hours"},
		{"older than the job's", func(f *Facts) { f.Repository[0].RPO = time.Hour }, "last backup", Problem, "9 hours ago, and should be within 60 minutes"},
		{"damaged", func(f *Facts) { f.Repository[0].Verified, f.Repository[0].Damaged = noon, 2 }, "last verify", Problem, "2 damaged blobs in /srv/backup"},
		{"clock behind", func(f *Facts) { f.Repository[0].Ahead = noon.AddDate(1, 0, 0) }, "clock", Problem,
			"/srv/backup holds a snapshot of 2027-11-23T12:00:00Z, which is ahead of this clock (2026-11-23T12:00:00Z)"},
		{"clock alone", func(f *Facts) { f.Clock.Synchronized = false }, "clock", Warning, "nothing keeps the clock right"},
		{"no drill", func(f *Facts) { f.Drill = &Drill{} }, "last drill", Warning, "none: nobody has proved that the backups restore"},
		{"bad drill", func(f *Facts) { f.Drill.Good = false }, "last drill", Problem, "30 days ago, and it failed"},
		{"frozen", func(f *Facts) { f.Left.Frozen = []string{"db", "web"} }, "leftovers", Problem, "left paused or stopped by a run that died: db, web"},
		{"kept", func(f *Facts) { f.Left.InPlace = 2 }, "leftovers", Warning, "2 restores in place still keep the old data"},
	} {
		f := healthy()
		test.edit(&f)
		found, bad := Judge(f), 0
		for _, one := range found {
			if one.Level == OK {
				continue
			}
			bad++
			if one.Check != test.check || one.Level != test.level || one.Text != test.text || one.Hint == "" {
				t.Errorf("%s: %+v", test.name, one)
			}
		}
		if bad != 1 {
			t.Errorf("%s: %d findings in %+v", test.name, bad, found)
		}
		if wrong := Err(found) != nil; wrong != (test.level == Problem) {
			t.Errorf("%s: the error is %v", test.name, Err(found))
		}
	}
}

// TestGather shows that folders are looked at as they are, and that looking makes none.
func TestGather(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := Gather(t.Context(), Sources{
		Now: func() time.Time { return noon }, StateDir: filepath.Join(dir, "a", "b"), CacheDir: filepath.Join(file, "c"),
		Engine: func(context.Context) Engine { return Engine{} }, Systemd: func(context.Context) Systemd { return Systemd{} },
		Config: func() Config { return Config{} }, Clock: HostClock,
		Repositories: func(context.Context) []Repository {
			return []Repository{{Path: dir}, {Path: file, Err: errors.New("no")}}
		},
		Left: func(context.Context) Left { return Left{} }, Drill: func(context.Context) Drill { return Drill{} },
	})
	if f.Folders[0].Err != nil || f.Folders[0].Free == 0 || f.Folders[1].Err == nil {
		t.Errorf("folders: %+v", f.Folders)
	}
	if f.Repository[0].Free == 0 || f.Repository[1].Free != 0 {
		t.Errorf("repositories: %+v", f.Repository)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !os.IsNotExist(err) {
		t.Error("looking has made a folder")
	}
}
