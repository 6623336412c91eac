package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"davit/backup"
	"davit/backup/doctor"
	"davit/backup/drill"
	"davit/backup/repo"
	"davit/backup/repo/storage"
	"davit/engine/guard"
	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

const recoverUnit = "davit-recover.service"

// doctorSources are the places that this process can look at.
func (h *host) doctorSources(c *cli.Context) doctor.Sources {
	return doctor.Sources{
		Now: h.now, Root: h.euid == 0, StateDir: global(c, "state-dir"), CacheDir: global(c, "cache-dir"),
		Engine:       func(ctx context.Context) doctor.Engine { return h.doctorEngine(ctx, c) },
		Systemd:      doctorSystemd,
		Config:       func() doctor.Config { return h.doctorConfig(c) },
		Repositories: func(ctx context.Context) []doctor.Repository { return h.doctorRepositories(ctx, c) },
		Clock:        doctor.HostClock,
		Drill:        func(context.Context) doctor.Drill { return doctorDrill(global(c, "state-dir")) },
		Left:         func(ctx context.Context) doctor.Left { return h.doctorLeft(ctx, global(c, "state-dir")) },
	}
}

func (h *host) doctorEngine(ctx context.Context, c *cli.Context) (e doctor.Engine) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	eng, err := h.connect(c)
	if err == nil {
		defer func() { _ = eng.Close() }()
		info, infoErr := eng.Info(ctx)
		e.Version, e.Where, err = info.Version, eng.Endpoint(), infoErr
	}
	if err != nil {
		var f failure
		_ = explainEngine(err, &f)
		return doctor.Engine{Err: errors.New(oneLine(err)), Hint: f.hint}
	}
	e.Local, e.NotHere = eng.Local(ctx)
	return e
}

func doctorSystemd(ctx context.Context) doctor.Systemd {
	if !systemd.Running() {
		return doctor.Systemd{}
	}
	s := doctor.Systemd{Running: true}
	conn, err := systemd.Connect(ctx)
	if err != nil {
		s.Err = err
		return s
	}
	defer conn.Close()
	u, err := conn.Unit(ctx, recoverUnit)
	s.Err = err
	if err == nil && u.Exists() {
		s.Recover = u.File
	}
	timers, _ := filepath.Glob("/etc/systemd/system/timers.target.wants/davit-*.timer") // the pattern is right
	for _, t := range timers {
		s.Timers = append(s.Timers, filepath.Base(t))
	}
	return s
}

func (h *host) doctorRepository(ctx context.Context, c *cli.Context, dir string) (d doctor.Repository) {
	d.Path, d.Remote = dir, storage.IsRemote(dir)
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	fail := func(err error) doctor.Repository {
		var f failure
		_ = explainRepository(err, &f)
		d.Err, d.Hint = errors.New(oneLine(err)), f.hint
		return d
	}
	name, err := h.hostname()
	if err != nil {
		return fail(err)
	}
	r, err := h.openRepository(ctx, c, dir, repo.Options{Now: h.now, Rand: rand.Reader, Host: name, ReadOnly: true})
	if err != nil {
		return fail(err)
	}
	defer func() { _ = r.Close() }() // nothing is written
	// What of the state folder cannot be read, the folder itself is told for.
	if last, err := backup.LastVerified(&backup.Env{Repo: r, StateDir: global(c, "state-dir")}); err == nil && last != nil {
		d.Verified, d.Damaged = last.Time, last.Damaged
	}
	snaps, err := r.Snapshots(ctx)
	if err != nil {
		return fail(err)
	}
	for _, s := range snaps {
		if s.Time.After(d.Ahead) {
			d.Ahead = s.Time
		}
		if s.Host == name && s.Complete && s.Job != repo.JobPruneArchive && s.Time.After(d.Newest) {
			d.Newest = s.Time
		}
	}
	return d
}

// doctorDrill finds the newest drill that came to its end.
func doctorDrill(stateDir string) doctor.Drill {
	list, err := drill.Reports(stateDir)
	for _, r := range list {
		switch r.Verdict { // what was ended early has neither proved nor disproved anything
		case drill.Passed, drill.Partial, drill.Failed:
			return doctor.Drill{Last: r.Began, Good: r.Proved()}
		}
	}
	if err != nil {
		err = errors.New(oneLine(err))
	}
	return doctor.Drill{Err: err}
}

func (h *host) doctorLeft(ctx context.Context, stateDir string) (l doctor.Left) {
	var errs [3]error
	l.Frozen, errs[0] = guard.Left(backup.GuardFolder(stateDir))
	kept, err := backup.InPlaceRestores(ctx, &backup.Env{StateDir: stateDir})
	l.InPlace, errs[1] = len(kept), err
	state, err := migrate.Load(stateDir)
	switch {
	case err == nil:
		l.Migration = waitingMigration(state)
	case !errors.Is(err, migrate.ErrNone) && !errors.Is(err, os.ErrPermission):
		errs[2] = err
	}
	if err := errors.Join(errs[:]...); err != nil {
		l.Err = errors.New(oneLine(err))
	}
	return l
}

// waitingMigration says what a migration waits for, if it waits.
func waitingMigration(s *migrate.State) string {
	switch s.Outcome {
	case migrate.Committed, migrate.RolledBack:
		return ""
	case migrate.Done:
		return "the data-root was moved; the old one is kept until davit migrate commit"
	}
	return fmt.Sprintf("a migration of the data-root is at step %s", s.Step)
}
