package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/systemd"
	"davit/migrate"
	"davit/migrate/preflight"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

func (h *host) migrateCommand() *cli.Command {
	return &cli.Command{
		Name:     "migrate",
		Category: maintenance,
		Usage:    "Move the engine's data-root to another disk, verified, with a way back",
		Description: paragraph("Most of the data is copied while the containers run. They stop for the last changes, the comparison of both "+
			"trees and the start of the engine on the new root, where everything must be as before. Until the first container "+
			"runs there, whatever goes wrong is undone by itself; after it, rollback goes back until commit.") +
			paragraph("The work is done by a unit of its own, davit-migrate.service: it does not end with the terminal."),
		Subcommands: []*cli.Command{
			h.migratePlanCommand(),
			h.migrateRunCommand(),
			h.migrateStatusCommand(),
			h.migrateResumeCommand(),
			h.migrateRollbackCommand(),
			h.migrateCommitCommand(),
		},
	}
}

// migrateFlags say what is moved and how.
func migrateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "to", Usage: "the new root, `DIR`; with two stores docker and containerd below it"},
		&cli.StringFlag{Name: "store", Usage: "what to move, `STORE`: data-root, containerd or all (default: what the engine uses)"},
		&cli.StringFlag{Name: "verify", Value: migrate.VerifyMeta, Usage: "compare the trees by `HOW`: meta, sample or full"},
		&cli.StringFlag{Name: "method", Usage: "`HOW` to get it there: copy, reflink or rename (default: reflink where that is possible, else copy)"},
		maxDowntimeFlag(),
		&cli.StringFlag{Name: "bwlimit", Usage: "copy at most at `RATE` per second while containers run: 50MB"},
		&cli.BoolFlag{Name: "no-hold", Usage: "let the engine start containers by their policies before everything was compared"},
		&cli.BoolFlag{Name: "allow-rm-loss", Usage: "go on although containers that run with --rm are lost"},
		&cli.BoolFlag{Name: "allow-unmounted", Usage: "go on although nothing mounts the new root at boot"},
		&cli.BoolFlag{Name: "write-mount-unit", Usage: "write a unit that mounts the new root at boot"},
	}
}

func maxDowntimeFlag() cli.Flag {
	return &cli.DurationFlag{Name: "max-downtime", DefaultText: "no limit", Usage: "give up, and go back, when containers would be down for longer than `DURATION`"}
}

// migrateOptions reads the flags.
func migrateOptions(c *cli.Context) (migrate.Options, preflight.Request, error) {
	o := migrate.Options{
		Verify: c.String("verify"), Method: c.String("method"), MaxDowntime: c.Duration("max-downtime"),
		NoHold: c.Bool("no-hold"), AllowRmLoss: c.Bool("allow-rm-loss"), WriteMountUnit: c.Bool("write-mount-unit"),
	}
	if rate := strings.TrimSuffix(c.String("bwlimit"), "/s"); rate != "" {
		n, err := humanize.ParseBytes(rate)
		if err != nil || n == 0 || n > 1<<50 {
			return o, preflight.Request{}, misuse(c, "not a rate for --bwlimit: "+c.String("bwlimit"), "such as 50MB or 20MiB")
		}
		o.BytesPerSecond = int64(n)
	}
	if err := o.Check(); err != nil {
		return o, preflight.Request{}, misuse(c, err.Error(), "")
	}
	r := preflight.Request{
		Store: c.String("store"), Method: o.Method, AllowRmLoss: o.AllowRmLoss, AllowUnmounted: c.Bool("allow-unmounted"),
		WriteMountUnit: o.WriteMountUnit, BytesPerSecond: o.BytesPerSecond, Hold: !o.NoHold, MaxDowntime: o.MaxDowntime,
	}
	switch r.Store {
	case "", preflight.StoreDataRoot, preflight.StoreContainerd, preflight.StoreAll:
	default:
		return o, r, misuse(c, "unknown value for --store: "+r.Store, "data-root, containerd or all")
	}
	if c.String("to") == "" {
		return o, r, misuse(c, "needs --to DIR", "the folder that becomes the engine's data-root")
	}
	to, err := filepath.Abs(c.String("to"))
	r.To = to
	return o, r, err
}

// makeMigratePlan surveys the host and makes a plan. With a refusal there are both.
func (h *host) makeMigratePlan(c *cli.Context) (*migrate.Plan, error) {
	o, r, err := migrateOptions(c)
	if err != nil {
		return nil, err
	}
	if r.Own, err = ownPaths(global(c, "state-dir")); err != nil {
		return nil, err
	}
	r.StateDir, r.Exe = realPlaces(global(c, "state-dir"))
	p := h.startProgress(c, "looking")
	defer p.close()
	look := preflight.Host{EUID: h.euid, Now: h.now, Progress: func(_, bytes int64) { p.done.Store(bytes) }}
	endpoint := ""
	if eng, err := h.connect(c); err != nil {
		look.Reach = err
	} else {
		defer func() { _ = eng.Close() }()
		look.Docker, endpoint = eng, eng.Endpoint()
	}
	if systemd.Running() && h.euid == 0 {
		conn, err := systemd.Connect(c.Context)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		look.Units = conn
	}
	s, err := preflight.Look(c.Context, look, r)
	if err != nil {
		return nil, err
	}
	return migrate.NewPlan(s, endpoint, o)
}

// realPlaces are where the journal and this program really are, as far as that can be told.
func realPlaces(stateDir string) (state, exe string) {
	if abs, err := filepath.Abs(stateDir); err == nil {
		stateDir = abs
	}
	state = stateDir
	for dir := stateDir; ; dir = filepath.Dir(dir) { // it may not be there yet
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			state = filepath.Join(real, strings.TrimPrefix(stateDir, dir))
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return state, ""
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	return state, exe
}

// ownPaths are the new roots of a migration that was undone: what is in them is ours.
func ownPaths(stateDir string) ([]string, error) {
	s, err := migrate.Load(stateDir)
	if err == migrate.ErrNone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.Copies(), nil
}

// withManager connects to systemd and calls f.
func withManager(ctx context.Context, f func(*systemd.Conn) error) error {
	if !systemd.Running() {
		return errNoSystemd
	}
	conn, err := systemd.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}
