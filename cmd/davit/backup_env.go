package main

import (
	"crypto/rand"
	"errors"

	"davit/backup"
	"davit/backup/hook"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/guard"
	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

// access says how a command uses the repository.
type access bool

const (
	readOnly  access = true
	readWrite access = false
)

// openBackup opens the repository that the flags name and returns what package backup needs of this process, without
// an engine. The caller calls close when it is done.
func (h *host) openBackup(c *cli.Context, how access) (env *backup.Env, close func(), err error) {
	if err := checkProgress(c); err != nil {
		return nil, nil, err
	}
	dir, missing := repoDir(c)
	if missing == nil {
		return h.openBackupIn(c, dir, how, h.secrets(c))
	}
	r, err := h.onlyRepository()
	switch {
	case err != nil:
		return nil, nil, err
	case r == nil:
		return nil, nil, missing
	}
	return h.openJobRepository(c, r, how)
}

// openBackupIn is openBackup with the repository in dir, and what decrypts it.
func (h *host) openBackupIn(c *cli.Context, dir string, how access, secrets repo.Secrets, also ...func(*repo.Options)) (env *backup.Env, close func(), err error) {
	options, err := h.repoOptions(c, how)
	if err != nil {
		return nil, nil, err
	}
	options.Identities = secrets.Reader(c.Context, h.err)
	for _, set := range also {
		set(&options)
	}
	r, err := h.openRepository(c.Context, c, dir, options)
	if err != nil {
		return nil, nil, err
	}
	env = &backup.Env{
		Repo:     r,
		Host:     options.Host,
		Version:  thisBuild().Version,
		StateDir: global(c, "state-dir"),
		CacheDir: global(c, "cache-dir"),
		Now:      h.now,
		Rand:     rand.Reader,
	}
	return env, func() { _ = r.Close() }, nil // nothing is written by closing
}

// connect returns the engine that the global flags and the environment name.
func (h *host) connect(c *cli.Context) (*engine.Engine, error) {
	return engine.Connect(c.Context, engine.Target{
		Host:      global(c, "host"),
		Context:   global(c, "context"),
		ConfigDir: global(c, "config"),
	})
}

// withEngine connects env to the engine, and to the guard that undoes what a killed run leaves. While the engine's data
// changes its place nobody begins to work with containers: [migrate.ErrBusy].
func (h *host) withEngine(c *cli.Context, env *backup.Env) (close func(), err error) {
	if migrate.CuttingOver(env.StateDir) {
		return nil, migrate.ErrBusy
	}
	eng, err := h.connect(c)
	if err != nil {
		return nil, err
	}
	env.Engine = eng
	env.Hold = backup.GuardedBy(guard.Options{
		StateDir: backup.GuardFolder(env.StateDir),
		Endpoint: eng.Reference(),
		Systemd:  h.euid == 0 && systemd.Running(),
		Now:      h.now,
	}, guard.Of(eng))
	env.Hooks = hook.New(eng, env.StateDir, h.now, func(hook.Result) {})
	closeAgents, err := h.withAgents(c, env, eng)
	if err != nil {
		_ = eng.Close()
		return nil, err
	}
	return func() { closeAgents(); _ = eng.Close() }, nil
}

// recoverFirst undoes what earlier runs left before a new one begins. What cannot be undone now is told, and does not
// keep a backup from being made.
func (h *host) recoverFirst(c *cli.Context, env *backup.Env) {
	err := h.thaw(c)
	text := &textWriter{w: h.err}
	snapshots, left := backup.RecoverSnapshots(env.StateDir)
	for _, path := range snapshots {
		text.linef("removed the snapshot %s, left by a run that was killed", path)
	}
	err = errors.Join(err, left)
	done, more := hook.Recover(c.Context, env.StateDir, h.now, h.hookConnect(c))
	for _, d := range done {
		text.linef("recovered %s: %s", d.Container, d.Outcome)
	}
	err = errors.Join(err, more)
	if n, more := h.recoverAgents(c); n > 0 || more != nil {
		text.linef("removed %s of a killed run", countOf(n, "helper container", "helper containers"))
		err = errors.Join(err, more)
	}
	if err != nil {
		text.linef("warning: %s", oneLine(err))
	}
}

// thaw undoes what dead runs left frozen, and tells it.
func (h *host) thaw(c *cli.Context) error {
	undone, err := guard.Recover(c.Context, backup.GuardFolder(global(c, "state-dir")), guardConnect)
	text := &textWriter{w: h.err}
	for _, u := range undone {
		text.linef("recovered %s, left by run %s: %s", u.Name, u.Run, u.Outcome)
	}
	return errors.Join(err, text.err)
}

// global returns the value of a global flag; a flag of the command may have the same name.
func global(c *cli.Context, name string) string {
	for _, level := range c.Lineage() {
		if level.Command != nil && level.Command.Name == c.App.Name {
			return level.String(name)
		}
	}
	return ""
}

// whose returns the query that --host and --job make.
func whose(c *cli.Context) backup.Query {
	return backup.Query{Host: c.String("host"), Job: c.String("job")}
}
