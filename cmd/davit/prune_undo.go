package main

import (
	"crypto/rand"
	"errors"

	"davit/backup"
	"davit/engine"
	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) pruneUndoCommand() *cli.Command {
	return &cli.Command{
		Name:      "undo",
		Usage:     "Bring back what a run removed",
		UsageText: "davit prune undo RUN [OBJECT…]",
		Description: paragraph("Networks and the definitions of containers come back from the record of the run; images, volumes and "+
			"what containers had written come back from its archive. What was not archived is named. What is there already "+
			"stays as it is. Containers are not started. OBJECT is KIND/NAME, a name, a tag or an id.") +
			examples("davit prune undo latest", "davit prune undo 20260823-0310 image/app:1 volume/cache") +
			exitCodes(exitDone, exitUsage, exitPartial, exitNoRepository, exitLocked, exitUnreachable, exitInterrupted),
		Flags:  []cli.Flag{progressFlag(), jsonFlag()},
		Action: h.pruneUndo,
	}
}

func (h *host) pruneUndo(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 || args[0] == "" {
		return misuse(c, "needs the argument RUN", "davit prune history lists the runs")
	}
	if err := checkProgress(c); err != nil {
		return err
	}
	record, err := prune.FindRun(global(c, "state-dir"), args[0])
	if err != nil {
		return err
	}
	eng, err := h.connect(c)
	if err != nil {
		return err
	}
	defer func() { _ = eng.Close() }()
	env, _, err := h.pruneEnv(c, eng, "")
	if err != nil {
		return err
	}
	var archive *backup.Env
	if record.Snapshot != "" {
		if archive, err = h.archiveEnv(c, eng, record.Archive, readOnly); err != nil {
			return err
		}
		defer func() { _ = archive.Repo.Close() }()
	}
	p := h.startProgress(c, "undo")
	defer p.close()
	if archive != nil {
		archive.Reporter = p
	}
	list, err := prune.Undo(c.Context, env, eng, record, archive, args[1:])
	p.close()
	return errors.Join(err, h.writeUndoneObjects(c, list))
}

func (h *host) writeUndoneObjects(c *cli.Context, list []prune.Undone) error {
	text := &textWriter{w: h.out}
	for _, u := range list {
		switch {
		case c.Bool("json"):
			if err := writeJSON(h.out, u); err != nil {
				return err
			}
		case u.Done && u.Reason == "":
			text.linef("%s %s: back", u.Kind, u.Name)
		case u.Done:
			text.linef("%s %s: %s", u.Kind, u.Name, u.Reason)
		default:
			text.linef("%s %s: not back: %s", u.Kind, u.Name, u.Reason)
		}
	}
	return text.err
}

// archiveEnv opens the repository that pruned objects are archived in.
func (h *host) archiveEnv(c *cli.Context, eng *engine.Engine, dir string, how access) (*backup.Env, error) {
	options, err := h.repoOptions(c, how)
	if err != nil {
		return nil, err
	}
	r, err := h.openRepository(c.Context, c, dir, options)
	if err != nil {
		return nil, err
	}
	env := &backup.Env{
		Repo: r, Engine: eng, Host: options.Host, Version: thisBuild().Version, StateDir: global(c, "state-dir"),
		CacheDir: global(c, "cache-dir"), Now: h.now, Rand: rand.Reader,
	}
	env.Mount = helperHolding(env, eng).Mount
	return env, nil
}

func (h *host) pruneArchive(c *cli.Context, eng *engine.Engine, dir string) (*prune.Repository, error) {
	env, err := h.archiveEnv(c, eng, dir, readWrite)
	if err != nil {
		return nil, err
	}
	info, err := eng.Info(c.Context)
	if err != nil {
		return nil, errors.Join(err, env.Repo.Close())
	}
	return &prune.Repository{Env: env, DataRoot: info.DataRoot}, nil
}
