package main

import (
	"errors"
	"io"
	"time"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

func (h *host) backupCreateCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "Save this host, or a part of it, as a snapshot",
		UsageText: "davit backup create --repo DIR [--all | selection…] [flags]",
		Description: paragraph("Without a selection everything that matters is saved: named volumes, anonymous volumes in use, "+
			"bind mounts, tagged and used images, and the definitions of containers, volumes and networks. "+
			"What is left out is named. Containers are read while they run, then frozen for the moment that the "+
			"last changes take.") +
			examples(
				"davit backup create --repo /srv/backup",
				"davit backup create --repo /srv/backup --volume pgdata --volume www",
				"davit backup create --repo /srv/backup --path /etc --exclude '*.tmp' --dry-run",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitUnreachable, exitInterrupted),
		Flags:  createFlags(),
		Action: h.backupCreate,
	}
}

func createFlags() []cli.Flag {
	return append([]cli.Flag{
		repoFlag(),
		&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "everything on this host that matters (the default)"},
		&cli.StringSliceFlag{Name: "volume", Usage: "volume `NAME`; may be repeated"},
		&cli.StringSliceFlag{Name: "path", Usage: "folder `DIR` and everything below; may be repeated; needs no engine"},
		&cli.BoolFlag{Name: "bind", Usage: "bind mounts of all containers"},
		&cli.StringSliceFlag{Name: "image", Usage: "image `REF`; may be repeated"},
		&cli.StringSliceFlag{Name: "container", Usage: "container `NAME` with its volumes, bind mounts, image and networks; may be repeated"},
		&cli.StringSliceFlag{Name: "project", Usage: "all of the compose project `NAME`; may be repeated"},
		&cli.BoolFlag{Name: "no-images", Usage: "no images"},
		&cli.BoolFlag{Name: "rw-layers", Usage: "what containers wrote into their own file systems, too"},
		&cli.StringSliceFlag{Name: "include", Usage: "save bind mount source `PATH` though a rule skips it"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "leave out what matches `PATTERN`; may be repeated"},
		&cli.StringFlag{Name: "consistency", Value: string(backup.ConsistencyPause), EnvVars: []string{"DAVIT_CONSISTENCY"},
			Usage: "`HOW` to hold containers for the last changes: pause, stop or live"},
		&cli.DurationFlag{Name: "max-freeze", Value: backup.DefaultMaxFreeze, EnvVars: []string{"DAVIT_MAX_FREEZE"},
			Usage: "let a group of containers go after this `TIME`, its items are then marked as not consistent"},
		&cli.StringFlag{Name: "fs-snapshots", Value: string(backup.FSSnapshotsAuto), EnvVars: []string{"DAVIT_FS_SNAPSHOTS"},
			Usage: "`HOW` to use snapshots: auto or never"},
		&cli.BoolFlag{Name: "allow-rm-loss", Usage: "with --consistency stop: stop --rm containers, which deletes their anonymous volumes"},
		&cli.StringFlag{Name: "job", EnvVars: []string{"DAVIT_JOB"}, Usage: "`NAME` to file the snapshot under"},
		&cli.BoolFlag{Name: "append-only", EnvVars: []string{"DAVIT_APPEND_ONLY"}, Usage: "remove and replace nothing"},
		&cli.StringSliceFlag{Name: "tag", Usage: "`TAG` of the snapshot; may be repeated"},
		&cli.StringFlag{Name: "compression", EnvVars: []string{"DAVIT_COMPRESSION"},
			Usage: "`LEVEL` for new data: fastest (files), default (images), better or max"},
		&cli.BoolFlag{Name: "force-read", Usage: "read every file, also what did not change"},
		&cli.IntFlag{Name: "reread", EnvVars: []string{"DAVIT_REREAD"},
			Usage: "read one of `N` shares of what did not change, each run the next"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be saved, frozen and left out"},
		progressFlag(),
		jsonFlag(),
	}, agentFlags()...)
}

func createOptions(c *cli.Context) (backup.CreateOptions, error) {
	o := backup.CreateOptions{
		Selection: backup.Selection{
			All:        c.Bool("all"),
			Volumes:    c.StringSlice("volume"),
			Paths:      c.StringSlice("path"),
			Binds:      c.Bool("bind"),
			Images:     c.StringSlice("image"),
			Containers: c.StringSlice("container"),
			Projects:   c.StringSlice("project"),
			NoImages:   c.Bool("no-images"),
			RWLayers:   c.Bool("rw-layers"),
			Include:    c.StringSlice("include"),
			Exclude:    c.StringSlice("exclude"),
		},
		Consistency: backup.Consistency(c.String("consistency")),
		FSSnapshots: backup.FSSnapshots(c.String("fs-snapshots")),
		MaxFreeze:   c.Duration("max-freeze"),
		AllowRMLoss: c.Bool("allow-rm-loss"),
		Job:         c.String("job"),
		Tags:        c.StringSlice("tag"),
		Compression: backup.Compression(c.String("compression")),
		ForceRead:   c.Bool("force-read"),
		Reread:      c.Int("reread"),
	}
	if o.MaxFreeze < time.Millisecond {
		return o, misuse(c, "--max-freeze must be at least 1ms", "10s is the default; --consistency live freezes nothing")
	}
	return o, o.Check()
}

func (h *host) backupCreate(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	options, err := createOptions(c)
	if err != nil {
		return err
	}
	dryRun := c.Bool("dry-run")
	env, closeRepo, err := h.openBackup(c, access(dryRun))
	if err != nil {
		return err
	}
	defer closeRepo()
	if options.Selection.NeedsEngine() {
		closeEngine, err := h.withEngine(c, env)
		if err != nil {
			return err
		}
		defer closeEngine()
		if !dryRun {
			h.recoverFirst(c, env)
		}
	}
	if dryRun {
		plan, err := backup.PlanCreate(c.Context, env, options)
		switch {
		case err != nil:
			return err
		case c.Bool("json"):
			return writeJSON(h.out, plan)
		}
		return writeCreatePlan(h.out, plan)
	}
	plan, done, err := h.planBesidePrune(c, env, options)
	if err != nil {
		return err
	}
	defer done()
	return h.applyCreate(c, env, plan)
}

func (h *host) applyCreate(c *cli.Context, env *backup.Env, plan *backup.CreatePlan) error {
	p := h.startProgress(c, "backup")
	defer p.close()
	env.Reporter = p
	announceCreate(p.Say, plan)
	report, err := backup.ApplyCreate(c.Context, env, plan)
	p.close()
	if report == nil {
		return err
	}
	write := writeReport
	if c.Bool("json") {
		write = func(w io.Writer, r *backup.Report) error { return writeJSON(w, r) }
	}
	return errors.Join(err, write(h.out, report))
}
