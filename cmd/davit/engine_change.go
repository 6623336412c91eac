package main

import (
	"context"
	"strings"
	"time"

	"davit/engine/service"

	"github.com/urfave/cli/v2"
)

// engineCommand's changes: what is done to the service, and how it is told.

func (h *host) engineStartCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "Start the engine and wait until it is ready",
		UsageText: "davit engine start [FLAGS]",
		Description: paragraph("Past failures are forgotten first. When it does not start, the engine's own reason is shown.") +
			examples("davit engine start", "davit engine start --timeout 1m") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags: jobFlags(),
		Action: h.engineChange("started", func(ctx context.Context, s *service.Service, _ *cli.Context) (service.Change, error) {
			return ready(ctx, s, (*service.Service).Start)
		}),
	}
}

func (h *host) engineStopCommand() *cli.Command {
	return &cli.Command{
		Name:      "stop",
		Usage:     "Stop the engine and the socket that would start it again",
		UsageText: "davit engine stop [--allow-rm-loss] [FLAGS]",
		Description: paragraph("Containers stop with it, unless live-restore is on. The socket is stopped first; a stopped engine with "+
			"an armed socket starts again at the next call. Running containers with --rm would be deleted: refused without "+
			"--allow-rm-loss.") +
			examples("davit engine stop", "davit engine stop --allow-rm-loss --timeout 1m") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags: jobFlags(rmLossFlag()),
		Action: h.engineChange("stopped", func(ctx context.Context, s *service.Service, c *cli.Context) (service.Change, error) {
			if err := checkLoss(ctx, s, c); err != nil {
				return service.Change{}, err
			}
			return s.Stop(ctx)
		}),
	}
}

func (h *host) engineRestartCommand() *cli.Command {
	return &cli.Command{
		Name:      "restart",
		Usage:     "Stop the engine and start it again",
		UsageText: "davit engine restart [--allow-rm-loss] [--no-check] [FLAGS]",
		Description: paragraph("First the engine's configuration is checked, so that no engine is stopped that could not start again. "+
			"Running containers with --rm would be deleted: refused without --allow-rm-loss.") +
			examples("davit engine restart", "davit engine restart --timeout 10m --json") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags: jobFlags(rmLossFlag(), noCheckFlag()),
		Action: h.engineChange("restarted", func(ctx context.Context, s *service.Service, c *cli.Context) (service.Change, error) {
			if err := checkConfig(ctx, s, c); err != nil {
				return service.Change{}, err
			}
			if err := checkLoss(ctx, s, c); err != nil {
				return service.Change{}, err
			}
			return ready(ctx, s, (*service.Service).Restart)
		}),
	}
}

// ready starts the engine in some way and waits until it answers.
func ready(ctx context.Context, s *service.Service, start func(*service.Service, context.Context) (service.Change, error)) (service.Change, error) {
	change, err := start(s, ctx)
	if err != nil {
		return change, err
	}
	return s.Ready(ctx, change, askEngine)
}

func (h *host) engineReloadCommand() *cli.Command {
	return &cli.Command{
		Name:      "reload",
		Usage:     "Have the engine read its configuration file anew",
		UsageText: "davit engine reload [--no-check] [FLAGS]",
		Description: paragraph("Nothing stops. The engine takes up some settings only; others, data-root among them, need a restart. "+
			"A file that it would not take is refused first.") +
			examples("davit engine reload", "davit engine reload --unit docker.service") + exitCodes(exitDone, exitFailed, exitUsage),
		Flags: jobFlags(noCheckFlag()),
		Action: h.engineChange("reloaded", func(ctx context.Context, s *service.Service, c *cli.Context) (service.Change, error) {
			if err := checkConfig(ctx, s, c); err != nil {
				return service.Change{}, err
			}
			return s.Reload(ctx)
		}),
	}
}

func noCheckFlag() cli.Flag {
	return &cli.BoolFlag{Name: "no-check", Usage: "do not check the configuration first"}
}

func checkConfig(ctx context.Context, s *service.Service, c *cli.Context) error {
	if c.Bool("no-check") {
		return nil
	}
	return s.CheckConfig(ctx)
}

func checkLoss(ctx context.Context, s *service.Service, c *cli.Context) error {
	if c.Bool("allow-rm-loss") {
		return nil
	}
	closeEngine := func() {}
	defer func() { closeEngine() }()
	err := s.CheckLoss(ctx, func(ctx context.Context, endpoint string) (service.Engine, error) {
		eng, err := callEngine(ctx, endpoint)
		if err != nil {
			return nil, err
		}
		closeEngine = func() { _ = eng.Close() }
		return eng, nil
	})
	if err == nil {
		return nil
	}
	return lossError{err}
}

// serviceAction does something to the engine's service.
type serviceAction func(ctx context.Context, s *service.Service, c *cli.Context) (service.Change, error)

// engineChange is the action of a command that changes the service and says what it did.
func (h *host) engineChange(done string, do serviceAction) cli.ActionFunc {
	return func(c *cli.Context) error {
		if _, err := arguments(c, 0, ""); err != nil {
			return err
		}
		if c.Duration("timeout") <= 0 {
			return misuse(c, "--timeout must be more than 0", "")
		}
		s, closeBus, err := h.findService(c)
		if err != nil {
			return err
		}
		defer closeBus()
		ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
		defer cancel()
		change, err := do(ctx, s, c)
		if err != nil {
			return err
		}
		return h.writeChange(c, s, done, change)
	}
}

// changeAnswer is the answer to programs.
type changeAnswer struct {
	Unit    string     `json:"unit"`
	Done    string     `json:"done"`  // "" when it was so already
	Units   []string   `json:"units"` // what it was done to, in this order
	State   string     `json:"state"`
	Since   *time.Time `json:"since,omitempty"`
	MainPID int        `json:"main_pid,omitempty"`
}

func (h *host) writeChange(c *cli.Context, s *service.Service, done string, change service.Change) error {
	if c.Bool("json") {
		a := changeAnswer{Unit: s.Name(), Done: done, Units: append([]string{}, change.Units...), State: change.Unit.Active, MainPID: change.Unit.MainPID}
		if len(change.Units) == 0 {
			a.Done = ""
		}
		if !change.Unit.Since.IsZero() {
			utc := change.Unit.Since.UTC()
			a.Since = &utc
		}
		return writeJSON(h.out, a)
	}
	text := &textWriter{w: h.out}
	if len(change.Units) == 0 {
		text.linef("%s: %s already", s.Name(), done)
		return text.err
	}
	pid := 0
	if done != "enabled" && done != "disabled" {
		pid = change.Unit.MainPID
	}
	text.linef("%s %s%s", done, strings.Join(change.Units, ", "), mainPID(pid))
	return text.err
}
