package main

import (
	"github.com/urfave/cli/v2"
)

// globalFlags may stand before and behind the command. Where a command has a flag of the same name (--host of
// backup restore is the host that made the snapshot), the global one stands before it, as in docker.
func (h *host) globalFlags() []cli.Flag {
	p := defaultPaths(h.getenv, h.euid)
	return append([]cli.Flag{
		&cli.StringFlag{Name: "host", Aliases: []string{"H"}, Usage: "engine to talk to: `URL` like unix:///…, tcp://…, ssh://…"},
		&cli.StringFlag{Name: "context", Aliases: []string{"c"}, Usage: "`NAME` of the docker context to use"},
		&cli.StringFlag{Name: "config", Usage: "`DIR` of docker's client configuration"},
		&cli.StringFlag{Name: "state-dir", EnvVars: []string{"DAVIT_STATE_DIR"}, Value: p.state, Usage: "`DIR` for journals"},
		&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"DAVIT_CACHE_DIR"}, Value: p.cache, Usage: "`DIR` for what may be lost"},
		&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"},
	}, logFlags()...)
}

func repoFlag() cli.Flag {
	return &cli.StringFlag{Name: "repo", Aliases: []string{"r"}, EnvVars: []string{"DAVIT_REPO"}, Usage: "`REPO`: a folder, s3://… or sftp://… (davit help repositories)"}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", EnvVars: []string{"DAVIT_JSON"}, Usage: "answer as JSON"}
}

func progressFlag() cli.Flag {
	return &cli.StringFlag{Name: "progress", EnvVars: []string{"DAVIT_PROGRESS"}, Value: progressAuto,
		Usage: "`HOW` to show progress: auto, plain, json or none"}
}

// whoseFlags narrow down whose snapshots "latest" and an id prefix may mean.
func whoseFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "host", EnvVars: []string{"DAVIT_BACKUP_HOST"}, Usage: "only snapshots of this `HOST` (default: this one for latest)"},
		&cli.StringFlag{Name: "job", EnvVars: []string{"DAVIT_JOB"}, Usage: "only snapshots of this `JOB`"},
	}
}

// repoDir returns the repository's folder that the flags name.
func repoDir(c *cli.Context) (string, error) {
	dir := c.String("repo")
	if dir == "" {
		return "", misuse(c, "needs --repo DIR", "DAVIT_REPO in the environment does as well")
	}
	return dir, nil
}
