package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"davit/backup/registry"
	"davit/backup/repo"
	"davit/backup/repo/storage"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

// serverFlags are about repositories on a server.
func serverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "parallel", EnvVars: []string{"DAVIT_PARALLEL"},
			Usage: fmt.Sprintf("`N` uploads or downloads at once, to or from a server (default: %d)", storage.DefaultParallel)},
		&cli.StringFlag{Name: "limit-upload", EnvVars: []string{"DAVIT_LIMIT_UPLOAD"}, Usage: "send at most `RATE` a second to a server, such as 5MB"},
		&cli.StringFlag{Name: "limit-download", EnvVars: []string{"DAVIT_LIMIT_DOWNLOAD"}, Usage: "take at most `RATE` a second from one"},
	}
}

// withServers gives commands that open a repository the flags for one on a server.
func withServers(commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.Flags = append(c.Flags, serverFlags()...)
		withServers(c.Subcommands...)
	}
	return commands
}

// connectStorage returns the place of a repository: a folder, or one on a server.
func (h *host) connectStorage(ctx context.Context, c *cli.Context, location string) (storage.Storage, error) {
	o := storage.Options{Parallel: c.Int("parallel"), Cache: filepath.Join(global(c, "cache-dir"), "remote"), Getenv: h.getenv}
	if c.Int("parallel") < 0 || c.Int("parallel") > 256 {
		return nil, misuse(c, fmt.Sprintf("--parallel %d is not a number from 1 to 256", c.Int("parallel")), "")
	}
	var err error
	if o.Upload, err = rateOf(c, "limit-upload"); err != nil {
		return nil, err
	}
	if o.Download, err = rateOf(c, "limit-download"); err != nil {
		return nil, err
	}
	if o.Home = h.getenv("HOME"); o.Home == "" && storage.IsRemote(location) {
		if o.Home, err = os.UserHomeDir(); err != nil {
			o.Home = "/root" // a service without one
		}
	}
	return storage.Connect(ctx, location, o)
}

// rateOf reads bytes a second; 0 is no limit.
func rateOf(c *cli.Context, name string) (int64, error) {
	text := c.String(name)
	if text == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n < 1 {
		return 0, misuse(c, fmt.Sprintf("--%s %s is no number of bytes a second", name, text), "5MB and 800KiB are")
	}
	return int64(n), nil
}

// openRepository opens a repository wherever it is.
func (h *host) openRepository(ctx context.Context, c *cli.Context, location string, o repo.Options) (*repo.Repository, error) {
	store, err := h.connectStorage(ctx, c, location)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", location, err)
	}
	return repo.OpenIn(ctx, store, o)
}

// initRepository makes one, encrypted when somebody is to hold its keys.
func (h *host) initRepository(c *cli.Context, location string, o repo.Options, holders []repo.KeyHolder) (*repo.Repository, error) {
	store, err := h.connectStorage(c.Context, c, location)
	if err != nil {
		return nil, fmt.Errorf("init repository %s: %w", location, err)
	}
	if len(holders) > 0 {
		return repo.InitEncryptedIn(c.Context, store, o, holders)
	}
	return repo.InitIn(c.Context, store, o)
}

// explainServer tells what keeps a server's repository from being used.
func explainServer(err error, f *failure) bool {
	var location *storage.LocationError
	var unfit *storage.UnfitError
	var hostKey *storage.HostKeyError
	var auth *storage.AuthError
	var kept *storage.KeptError
	switch {
	case errors.As(err, &location):
		f.message, f.hint, f.code = oneLine(location), "davit help repositories shows what is taken", exitUsage
	case errors.As(err, &unfit):
		f.hint = "davit help repositories tells what a server must do; use another one, or a folder"
	case errors.As(err, &hostKey) && hostKey.Changed:
		f.hint = "find out why before you change known_hosts"
	case errors.As(err, &hostKey):
		f.hint = "ssh to it once by hand, and compare its fingerprint"
	case errors.As(err, &auth):
		f.hint = "the agent (SSH_AUTH_SOCK), ~/.ssh/id_* and DAVIT_SSH_KEY are tried"
	case errors.As(err, &kept):
		f.hint = "create --append-only, or append_only in the configuration, makes backups where nothing may be removed; all else needs to be allowed that"
	case registry.IsDenied(err):
		f.hint = "davit login REGISTRY, as docker login, keeps the name and password of one that is allowed that"
	case storage.IsDenied(err):
		f.hint = "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials, must be allowed that"
	default:
		return false
	}
	return true
}

// remoteTime bounds what doctor waits for a server.
const remoteTime = 30 * time.Second
