package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"davit/engine"
	"davit/engine/service"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
)

func (h *host) engineStatusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "Show whether the engine runs, and why not",
		UsageText: "davit engine status [FLAGS]",
		Description: paragraph("Looking never starts the engine. When it failed, the reason and the last lines of the journal are shown.") +
			examples("davit engine status", "davit engine status --json | jq -r .data_root") +
			exitCodes(exitDone, exitFailed, exitUsage, exitUnreachable),
		Flags:  unitFlags(),
		Action: h.engineStatus,
	}
}

func (h *host) engineStatus(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	s, closeBus, err := h.findService(c)
	if err != nil {
		return err
	}
	defer closeBus()
	st, err := s.Status(c.Context, askEngine)
	if st.Unit == "" {
		return err
	}
	if c.Bool("json") {
		err = errors.Join(err, writeJSON(h.out, st))
	} else {
		err = errors.Join(err, h.writeStatus(st))
	}
	if err == nil && !st.Running() {
		err = downError{st}
	}
	return err
}

func askEngine(ctx context.Context, endpoint string) (engine.Info, error) {
	eng, err := callEngine(ctx, endpoint)
	if err != nil {
		return engine.Info{}, err
	}
	defer func() { _ = eng.Close() }()
	return eng.Info(ctx)
}

func (h *host) writeStatus(st service.Status) error {
	text := &textWriter{w: h.out}
	text.linef("%s: %s%s%s", st.Unit, stateText(st.State, st.Sub, st.Result), sinceText(st.Since, h.now()), mainPID(st.MainPID))
	text.linef("at boot: %s", enabledText(st.Enabled))
	for _, s := range st.Sockets {
		text.linef("%s: %s, %s, at boot: %s", s.Unit, stateText(s.State, s.Sub, ""), strings.Join(s.Listen, " "), enabledText(s.Enabled))
	}
	if st.Version != "" {
		text.linef("engine: %s at %s", st.Version, st.Endpoint)
	}
	if st.EngineError != "" {
		text.linef("engine: does not answer: %s", st.EngineError)
	}
	text.linef("data-root: %s", st.DataRoot)
	if st.Driver != "" {
		text.linef("storage driver: %s", st.Driver)
	}
	text.linef("configuration: %s", st.ConfigFile)
	if st.ConfigError != "" {
		text.linef("warning: the engine would not start: %s", st.ConfigError)
	}
	for _, conflict := range st.Conflicts {
		text.linef("warning: the engine would not start: %s", conflict.Text(st.ConfigFile))
	}
	if st.NeedReload {
		text.linef("warning: unit files have changed; systemctl daemon-reload has systemd read them")
	}
	if st.Reason != "" {
		text.linef("reason: %s", st.Reason)
	}
	for _, l := range st.Journal {
		text.linef("  %s  %s", clock(l.Time), l.Message)
	}
	return text.err
}

// stateText is "active (running)", with how it ended when that was no success.
func stateText(state, sub, result string) string {
	return fmt.Sprintf("%s (%s%s)", state, sub, ifThen(result != "", ", "+result))
}

func sinceText(since *time.Time, now time.Time) string {
	if since == nil {
		return ""
	}
	return fmt.Sprintf(" since %s (%s)", clock(*since), humanize.RelTime(*since, now, "ago", "from now"))
}

func mainPID(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(", main pid %d", pid)
}

func enabledText(state string) string {
	if state == "" {
		return "unknown"
	}
	return state
}
