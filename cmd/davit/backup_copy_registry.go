package main

import (
	"errors"
	"fmt"
	"strings"

	"davit/backup"
	"davit/backup/registry"
	"davit/backup/transfer"

	"github.com/docker/cli/cli/config"
	"github.com/urfave/cli/v2"
)

// dialRegistry makes the client of a registry, with what docker knows of it.
func (h *host) dialRegistry(c *cli.Context, place string) (*registry.Remote, error) {
	return registry.Dial(place, registry.Options{PlainHTTP: c.Bool("plain-http"), Login: func(host string) (registry.Login, error) {
		dir := global(c, "config")
		if dir == "" {
			dir = config.Dir()
		}
		file, err := config.Load(dir)
		if err != nil {
			return registry.Login{}, fmt.Errorf("read docker's configuration: %w", err)
		}
		if host == "docker.io" {
			host = "https://index.docker.io/v1/"
		}
		known, err := file.GetAuthConfig(host)
		if err != nil {
			return registry.Login{}, fmt.Errorf("ask docker's credentials: %w", err)
		}
		return registry.Login{User: known.Username, Password: known.Password, Token: known.IdentityToken}, nil
	}})
}

// openRegistry opens what a registry holds as a repository to copy from.
func (h *host) openRegistry(c *cli.Context, place string) (*backup.Env, func(), error) {
	remote, err := h.dialRegistry(c, place)
	if err != nil {
		return nil, nil, err
	}
	options, err := h.repoOptions(c, readOnly)
	if err != nil {
		return nil, nil, err
	}
	options.Identities = h.otherSecrets(c).Reader(c.Context, h.err)
	r, err := remote.Open(c.Context, options)
	if err != nil {
		return nil, nil, err
	}
	return &backup.Env{Repo: r, Host: options.Host}, func() { _ = r.Close() }, nil // nothing is written by closing
}

// backupPush copies to a registry.
func (h *host) backupPush(c *cli.Context, to string) error {
	remote, err := h.dialRegistry(c, to)
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	plan, err := registry.PlanPush(c.Context, transfer.Options{
		From: env.Repo, Specs: c.Args().Slice(), Host: c.String("host"), Job: c.String("job"), Tags: c.StringSlice("tag"), Self: env.Host, AllowPlaintext: c.Bool("allow-plaintext"),
	}, remote)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") || plan.Err() != nil {
		return errors.Join(plan.Err(), h.writeCopyPlan(c, plan.Plan))
	}
	p := h.startProgress(c, "copy")
	defer p.close()
	report, tags, err := registry.Push(c.Context, transfer.Env{Now: h.now, Reporter: p, Workers: c.Int("parallel")}, plan)
	p.close()
	switch {
	case report == nil:
		return err
	case c.Bool("json"):
		return errors.Join(err, writeJSON(h.out, struct {
			*transfer.Report
			Images []string `json:"images"`
		}{report, append([]string{}, tags...)}))
	}
	text := &textWriter{w: h.out}
	for _, tag := range tags {
		text.linef("docker pull %s:%s", strings.TrimPrefix(to, registry.Scheme), tag)
	}
	return errors.Join(err, writeCopyReport(h.out, report, plan.Plan), text.err)
}
