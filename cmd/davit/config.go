package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"davit/backup/job"

	"github.com/urfave/cli/v2"
)

func (h *host) configCommand() *cli.Command {
	return &cli.Command{
		Name:     "config",
		Category: maintenance,
		Usage:    "Check the configuration, print one to begin with",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "Say whether the configuration can be used", UsageText: "davit config check [FILE]",
				Description: paragraph("Reads it as strictly as a run does: a key that is not known, and what cannot be meant, is told with its line. "+
					"Opens no repository and talks to nobody.") +
					examples("davit config check", "davit config check ./config.yaml") + exitCodes(exitDone, exitUsage),
				Flags:  []cli.Flag{configFlag()},
				Action: h.configCheck,
			},
			{
				Name: "example", Usage: "Print a configuration with comments", UsageText: "davit config example",
				Description: examples("davit config example", "davit config example > /etc/davit/config.yaml") + exitCodes(exitDone, exitUsage),
				Action:      h.configExample,
			},
		},
	}
}

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config-file", EnvVars: []string{"DAVIT_CONFIG_FILE"},
		Usage: "`FILE` with the jobs (default: /etc/davit/config.yaml, without root that of the user)"}
}

// configFile is the configuration that a command works with.
func (h *host) configFile(c *cli.Context) string {
	if file := c.String("config-file"); file != "" {
		return file
	}
	return h.usualConfigFile()
}

func (h *host) usualConfigFile() string {
	if h.euid == 0 {
		return "/etc/davit/config.yaml"
	}
	return filepath.Join(h.xdg("XDG_CONFIG_HOME", ".config"), "davit", "config.yaml")
}

// onlyRepository is the repository of the configuration, when it has just one; nil otherwise, and without a configuration.
func (h *host) onlyRepository() (*job.Repository, error) {
	file := h.getenv("DAVIT_CONFIG_FILE")
	if file == "" {
		file = h.usualConfigFile()
	}
	cfg, err := job.ReadConfig(file)
	switch {
	case errors.Is(err, job.ErrNoConfig):
		return nil, nil
	case err != nil:
		return nil, err
	case len(cfg.Repositories) != 1:
		return nil, nil
	}
	return slices.Collect(maps.Values(cfg.Repositories))[0], nil
}

func (h *host) configCheck(c *cli.Context) error {
	args, err := arguments(c, 0, "FILE")
	if err != nil {
		return err
	}
	file := h.configFile(c)
	if len(args) == 1 {
		file = args[0]
	}
	cfg, err := job.ReadConfig(file)
	if err != nil {
		return err
	}
	text := &textWriter{w: h.out}
	text.linef("%s: %s, %s, %s", file, count(int64(len(cfg.Jobs)), "job"),
		countOf(len(cfg.Repositories), "repository", "repositories"), count(int64(len(cfg.Notifications)), "notification"))
	return text.err
}

func countOf(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, ifElse(n == 1, one, many))
}

func (h *host) configExample(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	_, err := h.out.Write(job.Example())
	return err
}

// explainJob knows the errors of configurations, runs and the status.
func explainJob(err error, f *failure) bool {
	var config *job.ConfigError
	var unknown *job.UnknownJobError
	var busy *job.BusyError
	var bad *job.UnprotectedError
	switch {
	case errors.Is(err, job.ErrNoConfig):
		f.hint, f.code = "davit config example prints one to begin with", exitUsage
	case errors.As(err, &config):
		f.code = exitUsage
	case errors.As(err, &unknown):
		f.code = exitUsage
		if near := nearest(unknown.Name, unknown.Known); near != "" {
			f.hint = fmt.Sprintf("did you mean %q?", near)
		} else if len(unknown.Known) > 0 {
			f.hint = "there are " + shortList(unknown.Known)
		}
	case errors.As(err, &busy):
		f.hint, f.code = "wait for it, or give it more time with --wait", exitLocked
	case errors.As(err, &bad):
		f.code = exitUnprotected
	default:
		return false
	}
	return true
}
