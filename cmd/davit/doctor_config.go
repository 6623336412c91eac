package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"davit/backup/doctor"
	"davit/backup/job"

	"github.com/urfave/cli/v2"
)

func (h *host) doctorConfig(c *cli.Context) doctor.Config {
	d := doctor.Config{File: h.configFile(c)}
	cfg, err := job.ReadConfig(d.File)
	switch {
	case errors.Is(err, job.ErrNoConfig):
		d.None = true
	case err != nil:
		d.Err = errors.New(oneLine(err))
	default:
		d.Jobs = len(cfg.Jobs)
	}
	return d
}

// doctorRepositories looks at --repo, or else at those of the configuration, with the shortest rpo of their jobs.
func (h *host) doctorRepositories(ctx context.Context, c *cli.Context) []doctor.Repository {
	if dir := c.String("repo"); dir != "" {
		return []doctor.Repository{h.doctorRepository(ctx, c, dir)}
	}
	cfg, err := job.ReadConfig(h.configFile(c))
	if err != nil {
		return nil // said by the configuration's check
	}
	rpo := map[string]time.Duration{}
	for _, name := range cfg.JobNames() {
		j := cfg.Jobs[name]
		if path := cfg.RepositoryOf(j).Path; j.RPO.Duration() > 0 && (rpo[path] == 0 || j.RPO.Duration() < rpo[path]) {
			rpo[path] = j.RPO.Duration()
		}
	}
	var list []doctor.Repository
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		path := cfg.Repositories[name].Path
		d := h.doctorRepository(ctx, c, path)
		d.RPO = rpo[path]
		list = append(list, d)
	}
	return list
}
