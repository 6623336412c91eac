package main

import (
	"context"
	"errors"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/hook"
	"davit/engine"
	"davit/engine/guard"
	"davit/migrate"

	"github.com/urfave/cli/v2"
)

func (h *host) recoverCommand() *cli.Command {
	return &cli.Command{
		Name:      "recover",
		Category:  maintenance,
		Usage:     "Undo what a killed run left paused, stopped or half moved",
		UsageText: "davit recover [--json]",
		Description: paragraph("The guard of a run undoes this by itself when davit dies. recover is for what not even the guard "+
			"could do, after a power cut for instance: run it at boot. Runs that are alive are left alone.") +
			examples("davit recover", "davit recover --json | jq -r .name") +
			exitCodes(exitDone, exitUsage, exitUnreachable),
		Flags:  []cli.Flag{jsonFlag()},
		Action: h.recover,
	}
}

func (h *host) recover(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	undone, err := guard.Recover(c.Context, backup.GuardFolder(global(c, "state-dir")), guardConnect)
	moved, migration := h.recoverMigration(c)
	helpers, left := h.recoverAgents(c)
	return errors.Join(err, migration, left, h.writeUndone(c, undone, moved, helpers), h.recoverSnapshots(c), h.recoverHooks(c), h.removeDrills(c))
}

// recoverSnapshots removes the snapshots of file systems that a killed backup left.
func (h *host) recoverSnapshots(c *cli.Context) error {
	removed, err := backup.RecoverSnapshots(global(c, "state-dir"))
	text := &textWriter{w: h.err}
	for _, path := range removed {
		text.linef("removed the snapshot %s", path)
	}
	return errors.Join(err, text.err)
}

// recoverHooks runs what hooks of a killed run left due.
func (h *host) recoverHooks(c *cli.Context) error {
	state := global(c, "state-dir")
	done, err := hook.Recover(c.Context, state, h.now, h.hookConnect(c))
	text := &textWriter{w: h.err}
	for _, d := range done {
		text.linef("%s: %s", d.Container, d.Outcome)
	}
	return errors.Join(err, text.err)
}

// hookConnect connects to the engine that a hook's note names; notes of older versions name none.
func (h *host) hookConnect(c *cli.Context) hook.Connect {
	return func(ctx context.Context, reference string) (hook.Engine, func(), error) {
		var eng *engine.Engine
		var err error
		if reference == "" {
			eng, err = h.connect(c)
		} else {
			eng, err = engine.Reconnect(ctx, reference)
		}
		if err != nil {
			return nil, nil, err
		}
		return eng, func() { _ = eng.Close() }, nil
	}
}

// removeDrills removes what killed drills left; without any it needs no engine.
func (h *host) removeDrills(c *cli.Context) error {
	removed, err := drill.Recover(c.Context, global(c, "state-dir"), drillConnect)
	return errors.Join(err, h.writeRemoved(removed))
}

// drillConnect connects to the engine that a drill's journal names.
func drillConnect(ctx context.Context, reference string) (drill.Engine, func(), error) {
	eng, err := engine.Reconnect(ctx, reference)
	if err != nil {
		return nil, nil, err
	}
	return eng, func() { _ = eng.Close() }, nil
}

// recoverMigration undoes, or brings to its end, a migration whose worker is dead; nil when there was none.
func (h *host) recoverMigration(c *cli.Context) (*migrate.State, error) {
	stateDir := global(c, "state-dir")
	s, err := migrate.Load(stateDir)
	if errors.Is(err, migrate.ErrNone) || err == nil && (s.Outcome != "" || migrate.Busy(stateDir)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := h.migrateRecover(c); err != nil {
		return nil, err
	}
	return migrate.Load(stateDir)
}

func (h *host) writeUndone(c *cli.Context, undone []guard.Undone, moved *migrate.State, helpers int) error {
	text := &textWriter{w: h.out}
	if moved != nil {
		if err := h.writeMigration(c, moved); err != nil {
			return err
		}
	}
	for _, u := range undone {
		if !c.Bool("json") {
			text.linef("%s: %s (was left by run %s, mode %s)", u.Name, u.Outcome, u.Run, u.Mode)
			continue
		}
		if err := writeJSON(h.out, struct {
			Run     string        `json:"run"`
			ID      string        `json:"id"`
			Name    string        `json:"name"`
			Mode    guard.Mode    `json:"mode"`
			Outcome guard.Outcome `json:"outcome"`
		}{u.Run, u.ID, u.Name, u.Mode, u.Outcome}); err != nil {
			return err
		}
	}
	if helpers > 0 && !c.Bool("json") {
		text.linef("removed %s of a killed run", countOf(helpers, "helper container", "helper containers"))
	}
	if len(undone) == 0 && moved == nil && helpers == 0 && !c.Bool("json") {
		text.linef("nothing to undo")
	}
	return text.err
}
