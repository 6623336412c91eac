package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) pruneCommand() *cli.Command {
	return &cli.Command{
		Name:     "prune",
		Category: maintenance,
		Usage:    "Free the disk by policy, with undo",
		Description: paragraph("A policy says what may go; a preset is one that davit brings along (davit prune policy show). "+
			"Nothing in use goes, nothing is removed with force, and named volumes only when a rule asks for them and "+
			"they are archived first.") +
			paragraph("safe: what nobody misses: containers that stopped a week ago, old build cache, dangling images, unused networks. "+
				"ci: a build machine: what jobs left, images unused for a week except the newest two of each name. "+
				"pressure: the disk is full: build cache, then the least recently used, until 25% or --target is free. "+
				"What cannot be made again is archived first (--archive), or stays."),
		Subcommands: []*cli.Command{
			h.prunePlanCommand(),
			h.pruneApplyCommand(),
			h.pruneUndoCommand(),
			h.pruneHistoryCommand(),
			h.prunePolicyCommand(),
			h.pruneWatchCommand(),
		},
	}
}

// pruneFlags choose what a plan is made from.
func pruneFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "policy", EnvVars: []string{"DAVIT_PRUNE_POLICY"}, Usage: "decide by the policy in `FILE`"},
		&cli.StringFlag{Name: "preset", Usage: "decide by the preset `NAME`: safe, ci or pressure (default safe)"},
		&cli.StringFlag{Name: "target", Usage: "stop when `FREE` is free on the engine's disk, as 20GB or 25%"},
		&cli.StringFlag{Name: "archive", EnvVars: []string{"DAVIT_PRUNE_ARCHIVE"}, Usage: "archive into the repository `DIR` what rules archive first"},
		&cli.StringFlag{Name: "archive-keep", Usage: "let archives of earlier runs go when they are `TIME` old, as 30d (default: what the policy says)"},
		&cli.StringSliceFlag{Name: "pullable", Usage: "a registry still has images that match `PATTERN`: they need no archive; may be repeated"},
		&cli.BoolFlag{Name: "exact", Usage: "measure layers on the disk; takes as long as reading their folders"},
	}
}

func prunePolicy(c *cli.Context) (*prune.Policy, error) {
	file, preset := c.String("policy"), c.String("preset")
	switch {
	case file != "" && c.IsSet("preset"):
		return nil, misuse(c, "--policy and --preset exclude each other", "")
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return prune.ParsePolicy(file, data)
	case preset == "":
		preset = "safe"
	}
	if !slices.Contains(prune.Presets(), preset) {
		return nil, misuse(c, "unknown value for --preset: "+preset, "safe, ci or pressure")
	}
	return prune.Preset(preset)
}

func pruneOptions(c *cli.Context) (prune.Options, error) {
	o := prune.Options{Archive: c.String("archive"), Pullable: c.StringSlice("pullable")}
	if value := c.String("target"); value != "" {
		target, err := prune.ParseAmount(value)
		if err != nil {
			return o, misuse(c, "--target is no size: "+value, "write 20GB, 1.5GiB or 25%")
		}
		o.Target = &target
	}
	if value := c.String("archive-keep"); value != "" {
		keep, err := prune.ParseAge(value)
		if err != nil {
			return o, misuse(c, "--archive-keep is no time: "+value, "write 36h, 30d or 8w")
		}
		o.ArchiveKeep = &keep
	}
	if o.Archive != "" {
		var err error
		if o.Archive, err = filepath.Abs(o.Archive); err != nil { // undo may be called from elsewhere
			return o, err
		}
	}
	return o, prune.CheckPatterns(o.Pullable)
}

// makePlan reads the engine and decides. The caller has checked nothing yet.
func (h *host) makePlan(c *cli.Context, e prune.Reader) (*prune.Plan, error) {
	policy, err := prunePolicy(c)
	if err != nil {
		return nil, err
	}
	options, err := pruneOptions(c)
	if err != nil {
		return nil, err
	}
	ledger, err := prune.LedgerOf(global(c, "state-dir"))
	if err != nil {
		return nil, err
	}
	plan, _, err := prune.Make(c.Context, e, policy, options, prune.ReadOptions{Now: h.now, Used: ledger, Exact: c.Bool("exact")})
	if err != nil {
		return nil, err
	}
	if options.Target != nil && plan.Space == nil {
		return nil, errors.New("--target cannot be measured: the engine's disk cannot be seen from here")
	}
	plan.Host, err = h.hostname()
	return plan, err
}

// explainPrune knows the errors of package prune.
func explainPrune(err error, f *failure) bool {
	var (
		policy  *prune.PolicyError
		plan    *prune.PlanError
		busy    *prune.BusyError
		partial *prune.PartialError
		missing *prune.NoRunError
		unknown *prune.NoObjectError
	)
	switch {
	case errors.As(err, &policy):
		f.hint, f.code = "davit prune policy show --preset safe shows how a policy is written", exitUsage
	case errors.As(err, &plan):
		f.hint, f.code = "davit prune plan --out FILE makes one", exitUsage
	case errors.As(err, &busy):
		f.hint, f.code = "wait for it; the lock goes away with that process", exitLocked
	case errors.As(err, &partial):
		f.code = exitPartial
	case errors.As(err, &missing):
		f.hint, f.code = "davit prune history lists the runs", exitUsage
	case errors.As(err, &unknown):
		f.hint, f.code = "davit prune history RUN lists what it removed", exitUsage
	default:
		return false
	}
	return true
}
