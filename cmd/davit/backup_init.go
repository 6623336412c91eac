package main

import (
	"crypto/rand"
	"fmt"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupInitCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "Make a repository in a new or empty folder",
		UsageText: "davit backup init --repo DIR [--json]",
		Description: paragraph("The repository is not encrypted: whoever can read the folder can read what is backed up, "+
			"passwords in container definitions included. It is made for its owner alone (0700).") +
			examples("davit backup init --repo /srv/backup") +
			exitCodes(exitDone, exitUsage),
		Flags:  []cli.Flag{repoFlag(), jsonFlag()},
		Action: h.backupInit,
	}
}

func (h *host) backupInit(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	dir, err := repoDir(c)
	if err != nil {
		return err
	}
	name, err := h.hostname()
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	r, err := repo.Init(dir, repo.Options{Now: h.now, Rand: rand.Reader, Host: name})
	if err != nil {
		return err
	}
	id, format := r.Config().ID, r.Config().Version
	if err := r.Close(); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(h.out, struct {
			ID     string `json:"id"`
			Format int    `json:"format"`
			Dir    string `json:"dir"`
		}{id, format, dir})
	}
	text := &textWriter{w: h.out}
	text.linef("repository %s made in %s (format %d)", id[:min(8, len(id))], dir, format)
	text.linef("it is not encrypted: whoever can read the folder can read the data")
	return text.err
}
