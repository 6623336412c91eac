package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"davit/engine"
	"davit/migrate"
	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) pruneApplyCommand() *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "Remove what a plan says",
		UsageText: "davit prune apply [PLAN] [--yes] [flags]",
		Description: paragraph("Without PLAN a plan is made, shown and asked about. Each object is looked at again just before its "+
			"removal; one that changed, or is in use by then, is skipped. What a rule archives first is archived and "+
			"verified before anything of it goes. The run is recorded: davit prune undo brings things back.") +
			examples(
				"davit prune apply",
				"davit prune apply prune.plan --yes",
				"davit prune apply --preset pressure --target 25% --archive /mnt/prune --yes",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitUnreachable, exitInterrupted),
		Flags: append(pruneFlags(),
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "the same as plan"},
			yesFlag(),
			progressFlag(),
			jsonFlag(),
		),
		Action: h.pruneApply,
	}
}

func (h *host) pruneApply(c *cli.Context) error {
	args, err := arguments(c, 0, "PLAN")
	if err != nil {
		return err
	}
	if len(args) == 0 && c.Bool("dry-run") {
		return h.planOnly(c)
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	if migrate.CuttingOver(global(c, "state-dir")) {
		return migrate.ErrBusy
	}
	plan, err := h.planFrom(c, args)
	if err != nil {
		return err
	}
	eng, err := h.connect(c)
	if err != nil {
		return err
	}
	defer func() { _ = eng.Close() }()
	if plan == nil {
		if plan, err = h.makePlan(c, eng); err != nil {
			return err
		}
	}
	if !c.Bool("json") || c.Bool("dry-run") {
		if err := writePrunePlan(h.planWriter(c), plan, false); err != nil {
			return err
		}
	}
	if c.Bool("dry-run") {
		return nil
	}
	if len(plan.Removed) == 0 {
		return errors.Join(h.expireArchives(c, eng, plan), h.nothingToPrune(c, plan))
	}
	question := fmt.Sprintf("Remove these %d objects?", len(plan.Removed))
	if err := h.confirm(c, question); err != nil {
		return err
	}
	return h.applyPlan(c, eng, plan, len(args) == 0 && c.Bool("yes"))
}

// nothingToPrune ends a run before it begins.
func (h *host) nothingToPrune(c *cli.Context, plan *prune.Plan) error {
	if c.Bool("json") {
		if err := writeJSON(h.out, prune.Record{Host: plan.Host, Engine: plan.Engine.ID, Policy: plan.Policy, Deeds: []prune.Deed{}}); err != nil {
			return err
		}
	}
	if plan.Short() > 0 {
		return &prune.PartialError{Action: "prune", Short: true}
	}
	return nil
}

// expireArchives lets go of old archives when there is nothing to prune that would do so.
func (h *host) expireArchives(c *cli.Context, eng *engine.Engine, plan *prune.Plan) error {
	keep := plan.Options.ArchiveKeep
	if plan.Options.Archive == "" || keep == nil {
		return nil
	}
	store, err := h.pruneArchive(c, eng, plan.Options.Archive)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // nothing is written by closing
	gone, err := store.Expire(c.Context, h.now().Add(-keep.Duration))
	if n := len(gone); n > 0 {
		text := &textWriter{w: h.err}
		text.linef("%s of earlier runs went by their retention", count(int64(n), "archive"))
	}
	return err
}

// planWriter keeps the answer apart from what leads to it.
func (h *host) planWriter(c *cli.Context) io.Writer {
	if c.Bool("json") || !c.Bool("dry-run") {
		return h.err
	}
	return h.out
}

// planFrom reads the plan that is named, or checks what one is to be made from.
func (h *host) planFrom(c *cli.Context, args []string) (*prune.Plan, error) {
	if len(args) == 1 {
		for _, name := range []string{"policy", "preset", "target", "archive", "archive-keep", "pullable", "exact"} {
			if c.IsSet(name) {
				return nil, misuse(c, "PLAN and --"+name+" exclude each other", "the plan says it already")
			}
		}
		return prune.ReadPlan(args[0])
	}
	if _, err := prunePolicy(c); err != nil {
		return nil, err
	}
	_, err := pruneOptions(c)
	return nil, err
}

// applyPlan carries a plan out. One that was made here, and leaves its target unreached because less came free than was
// to be expected, is followed by another, as long as something goes: with --yes nobody need be asked.
func (h *host) applyPlan(c *cli.Context, eng *engine.Engine, plan *prune.Plan, again bool) error {
	for {
		record, err := h.applyOnce(c, eng, plan)
		var partial *prune.PartialError
		if !again || !errors.As(err, &partial) || !partial.Short || record.Count(prune.Removed) == 0 {
			return err
		}
		next, planErr := h.makePlan(c, eng)
		if planErr != nil {
			return errors.Join(err, planErr)
		}
		if len(next.Removed) == 0 {
			return err
		}
		text := &textWriter{w: h.err}
		text.linef("less came free than was expected: %s more to the target, %s more", size(next.Goal.Missing(next.Space)), count(int64(len(next.Removed)), "object"))
		plan = next
	}
}

func (h *host) applyOnce(c *cli.Context, eng *engine.Engine, plan *prune.Plan) (*prune.Record, error) {
	env, closeArchive, err := h.pruneEnv(c, eng, plan.Options.Archive)
	if err != nil {
		return nil, err
	}
	defer closeArchive()
	p := h.startProgress(c, "prune")
	defer p.close()
	env.Progress = func(done, of int, what string) { p.Item(what) }
	record, err := prune.Apply(c.Context, env, plan)
	p.close()
	if record == nil {
		return nil, err
	}
	if c.Bool("json") {
		return record, errors.Join(err, writeJSON(h.out, withoutSecrets(*record)))
	}
	return record, errors.Join(err, writePruneRecord(h.out, record))
}

// pruneEnv is what package prune needs of this process; with an archive when one is named.
func (h *host) pruneEnv(c *cli.Context, eng *engine.Engine, archive string) (*prune.Env, func(), error) {
	name, err := h.hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("read host name: %w", err)
	}
	env := &prune.Env{Engine: eng, StateDir: global(c, "state-dir"), Host: name, Now: h.now, Rand: rand.Reader}
	if archive == "" {
		return env, func() {}, nil
	}
	store, err := h.pruneArchive(c, eng, archive)
	if err != nil {
		return nil, nil, err
	}
	env.Archiver = store
	return env, func() { _ = store.Close() }, nil // nothing is written by closing
}

// writePruneRecord says what a run did: what did not go, and the bytes.
func writePruneRecord(w io.Writer, r *prune.Record) error {
	text := &textWriter{w: w}
	for _, d := range r.Deeds {
		switch d.Outcome {
		case prune.Skipped:
			text.linef("skipped %s %s: %s", d.Object.Kind, objectName(d.Object), d.Reason)
		case prune.Failed:
			text.linef("failed %s %s: %s", d.Object.Kind, objectName(d.Object), d.Reason)
		}
	}
	measured := "not measured: the engine's disk cannot be seen from here"
	if r.Seen {
		measured = fmt.Sprintf("free space changed by %s", size(r.Measured))
	}
	text.linef("run %s: %d removed, %s by the plan, %s", r.ID, r.Count(prune.Removed), size(r.Freed), measured)
	if n := len(r.Expired); n > 0 {
		text.linef("%s of earlier runs went by their retention", count(int64(n), "archive"))
	}
	if r.Count(prune.Removed) > 0 {
		text.linef("davit prune undo %s brings back what can be", r.ID)
	}
	return text.err
}
