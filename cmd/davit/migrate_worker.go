package main

import (
	"context"
	"errors"
	"os"

	"davit/backup"
	"davit/engine"
	"davit/engine/guard"
	"davit/engine/systemd"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

// migrateWorkerCommand is what units run davit as: to work on the migration, and to undo what a worker left.
func (h *host) migrateWorkerCommand() *cli.Command {
	return &cli.Command{
		Name:   migrate.Subcommand,
		Hidden: true,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, "WHAT")
			if err != nil {
				return err
			}
			switch args[0] {
			case "work":
				return h.withWorker(c, func(w *migrate.Worker) error { return w.Work(c.Context) })
			case "recover":
				return h.migrateRecover(c)
			}
			return misuse(c, "unknown work: "+args[0], "")
		},
	}
}

// migrateRecover undoes or ends what a dead worker left, if there is anything.
func (h *host) migrateRecover(c *cli.Context) error {
	stateDir := global(c, "state-dir")
	if s, err := migrate.Load(stateDir); errors.Is(err, migrate.ErrNone) || err == nil && s.Outcome != "" {
		return nil
	}
	err := h.withWorker(c, func(w *migrate.Worker) error { return w.Recover(c.Context) })
	if errors.Is(err, migrate.ErrNone) || errors.Is(err, migrate.ErrBusy) {
		return nil
	}
	return err
}

func (h *host) withWorker(c *cli.Context, f func(*migrate.Worker) error) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	stateDir := global(c, "state-dir")
	teller, err := migrate.NewTeller(stateDir, h.now)
	if err != nil {
		return err
	}
	defer func() { _ = teller.Close() }()
	// Not with the command's context: a signal ends the work, and what is undone then needs the connection.
	return withManager(context.WithoutCancel(c.Context), func(conn *systemd.Conn) error {
		return f(&migrate.Worker{
			StateDir: stateDir, RunDir: "/run/davit", Exe: exe, Manager: conn, Connect: migrateConnect, Now: h.now, Report: teller,
			Others: func() ([]string, error) { return guard.Alive(backup.GuardFolder(stateDir)) },
		})
	})
}

func migrateConnect(ctx context.Context, endpoint string) (migrate.Engine, error) {
	eng, err := engine.Connect(ctx, engine.Target{Host: endpoint})
	if err != nil {
		return nil, err
	}
	return eng, nil
}
