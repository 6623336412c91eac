package main

import (
	"errors"
	"io"
	"strings"

	"davit/backup"
	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupRestoreCommand() *cli.Command {
	return &cli.Command{
		Name:  "restore",
		Usage: "Bring back a snapshot, an item, or a file of it",
		UsageText: "davit backup restore --repo DIR SNAPSHOT[:KIND/NAME[//PATH]] [flags]\n" +
			"       davit backup restore --repo DIR --all [SNAPSHOT] [flags]\n" +
			"       davit backup restore --repo DIR --commit | --rollback | --kept [ID]",
		Description: paragraph("Existing data is never written over: volumes, folders and containers that are there already are "+
			"refused, with the way out. --in-place replaces plain local volumes and keeps the old data until --commit. A restore "+
			"that was cut short is run again: it leaves what is right already.") +
			examples(
				"davit backup restore -r /srv/backup --all --start --compose-files /srv/new",
				"davit backup restore -r /srv/backup latest:volume/pgdata --to-volume pgdata2",
				"davit backup restore -r /srv/backup latest:volume/pgdata//base/1 --to look",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitUnreachable, exitDamaged, exitInterrupted),
		Flags:  restoreFlags(),
		Action: h.backupRestore,
	}
}

func restoreFlags() []cli.Flag {
	return append([]cli.Flag{
		repoFlag(),
		&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "a whole host, from latest unless a snapshot is named; from another host's when this one has none"},
		&cli.StringFlag{Name: "to-volume", Usage: "restore a volume into a new volume `NAME`"},
		&cli.StringFlag{Name: "to", Usage: "restore files below `DIR`, which must be absent or empty"},
		&cli.BoolFlag{Name: "in-place", Usage: "replace the content of existing plain local volumes; the old data is kept until --commit"},
		&cli.StringSliceFlag{Name: "only", Usage: "only items `KIND/NAME` or KIND; may be repeated"},
		&cli.BoolFlag{Name: "containers", Usage: "recreate networks and containers, too"},
		&cli.StringFlag{Name: "compose-files", Usage: "write compose and .env files below `DIR`/PROJECT, never over others"},
		&cli.BoolFlag{Name: "compose-in-place", Usage: "write compose and .env files where they were, never over others"},
		&cli.BoolFlag{Name: "start", Usage: "start the recreated containers that ran when they were saved"},
		&cli.BoolFlag{Name: "allow-rm-loss", Usage: "with --in-place: stop --rm containers, which deletes their anonymous volumes"},
		&cli.BoolFlag{Name: "commit", Usage: "delete the old data of a restore in place"},
		&cli.BoolFlag{Name: "rollback", Usage: "put the old data of a restore in place back"},
		&cli.BoolFlag{Name: "kept", Usage: "list the restores in place whose old data is kept"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be restored"},
		yesFlag(),
		progressFlag(),
		jsonFlag(),
	}, append(agentFlags(), whoseFlags()...)...)
}

func (h *host) backupRestore(c *cli.Context) error {
	if c.Bool("commit") || c.Bool("rollback") || c.Bool("kept") {
		return h.settleInPlace(c)
	}
	spec := repo.Latest
	if !c.Bool("all") || c.NArg() > 0 {
		args, err := arguments(c, 1, "SNAPSHOT")
		if err != nil {
			return err
		}
		spec = args[0]
	}
	options, err := restoreOptions(c, spec)
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	if options.To == "" {
		closeEngine, err := h.withEngine(c, env)
		if err != nil {
			return err
		}
		defer closeEngine()
		if !c.Bool("dry-run") {
			h.recoverFirst(c, env)
		}
	}
	plan, err := backup.PlanRestore(c.Context, env, options)
	switch {
	case err != nil:
		return err
	case c.Bool("dry-run"):
		return h.showRestorePlan(c, plan)
	case len(plan.Refused) == 0 && (plan.Destructive() || options.All):
		if err := h.confirmRestore(c, plan); err != nil {
			return err
		}
	}
	return h.applyRestore(c, env, plan)
}

func restoreOptions(c *cli.Context, spec string) (backup.RestoreOptions, error) {
	o := backup.RestoreOptions{
		Spec:        spec,
		Host:        c.String("host"),
		Job:         c.String("job"),
		All:         c.Bool("all"),
		Only:        c.StringSlice("only"),
		ToVolume:    c.String("to-volume"),
		To:          c.String("to"),
		InPlace:     c.Bool("in-place"),
		Containers:  c.Bool("containers"),
		Start:       c.Bool("start"),
		AllowRMLoss: c.Bool("allow-rm-loss"),

		ComposeFiles:   c.String("compose-files"),
		ComposeInPlace: c.Bool("compose-in-place"),
	}
	switch {
	case o.All && strings.Contains(spec, ":"):
		return o, misuse(c, "--all is a whole snapshot, not an item of it: "+spec, "")
	case strings.Contains(o.Host, "://"):
		return o, misuse(c, "--host behind restore is the host that made the snapshot, not an engine: "+o.Host,
			"davit --host "+o.Host+" backup restore …")
	case c.IsSet("to") && o.To == "", c.IsSet("to-volume") && o.ToVolume == "", c.IsSet("compose-files") && o.ComposeFiles == "":
		return o, misuse(c, "the target's name is empty", "")
	}
	_, err := backup.ParseItemRef(spec)
	return o, err
}

func (h *host) showRestorePlan(c *cli.Context, plan *backup.RestorePlan) error {
	var err error
	if c.Bool("json") {
		err = writeJSON(h.out, plan)
	} else {
		err = writeRestorePlan(h.out, plan)
	}
	if err == nil && len(plan.Refused) > 0 {
		err = &backup.RefusedError{Action: "restore", Reasons: plan.Refused}
	}
	return err
}

// confirmRestore shows what would be replaced or stopped and asks.
func (h *host) confirmRestore(c *cli.Context, plan *backup.RestorePlan) error {
	if !c.Bool("yes") && h.inTTY {
		if err := writeRestorePlan(h.err, plan); err != nil {
			return err
		}
	}
	question := "Replace this data and stop these containers meanwhile?"
	if !plan.Destructive() {
		question = "Restore all this?"
	}
	return h.confirm(c, question)
}

func (h *host) applyRestore(c *cli.Context, env *backup.Env, plan *backup.RestorePlan) error {
	p := h.startProgress(c, "restore")
	defer p.close()
	env.Reporter = p
	report, err := backup.ApplyRestore(c.Context, env, plan)
	p.close()
	if report == nil {
		return err
	}
	write := writeRestoreReport
	if c.Bool("json") {
		write = func(w io.Writer, r *backup.RestoreReport) error { return writeJSON(w, r) }
	}
	return errors.Join(err, write(h.out, report))
}
