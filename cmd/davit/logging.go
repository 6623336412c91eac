package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"davit/cmd/davit/logs"

	"github.com/urfave/cli/v2"
)

const logFormatEnv = "DAVIT_LOG_FORMAT"

// logFlags say how a command speaks beside its answer.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "verbose", Usage: "say more (-v behind a command)"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say only what is wrong"},
		&cli.StringFlag{Name: "log-format", EnvVars: []string{logFormatEnv}, Usage: "`HOW` to write what is said: text or json, with time, level and run"},
	}
}

// logging returns the host for one run: what goes to its err is written as the flags ask. The caller calls end with
// the exit code. A unit of systemd writes with the priorities that the journal reads, unless the flags say otherwise.
func (h *host) logging(inv *invocation, random io.Reader) (logged *host, end func(code int), err error) {
	o := logs.Options{Format: logs.Plain, Now: h.now}
	if isJournal(h.err, h.getenv("JOURNAL_STREAM")) {
		o.Format = logs.Journal
	}
	switch format := inv.globalValue("log-format", h.getenv(logFormatEnv)); format {
	case "":
	case string(logs.Text), string(logs.JSON):
		o.Format = logs.Format(format)
	default:
		return h, func(int) {}, inv.usage("unknown value for --log-format: "+format, "text or json", flagProblem)
	}
	quiet, verbose := inv.globalValue("quiet", "") == "true", inv.globalValue("verbose", "") == "true"
	switch {
	case quiet && verbose:
		return h, func(int) {}, inv.usage("--quiet and --verbose together", "", flagProblem)
	case quiet:
		o.Level = slog.LevelWarn
	case verbose:
		o.Level = slog.LevelDebug
	case o.Format == logs.Plain:
		return h, func(int) {}, nil // nothing stands between a command and its terminal
	}
	id := make([]byte, 8)
	if _, err := io.ReadFull(random, id); err != nil {
		return h, func(int) {}, fmt.Errorf("make a run id: %w", err)
	}
	o.Run = hex.EncodeToString(id)
	return h.loggingTo(o, inv)
}

func (h *host) loggingTo(o logs.Options, inv *invocation) (*host, func(int), error) {
	logged, w, began := *h, logs.New(h.err, o), h.now()
	logged.err, logged.terminal, logged.silent = w, h.err, o.Level >= slog.LevelWarn
	logged.errTTY = h.errTTY && o.Format == logs.Plain && o.Level == slog.LevelInfo // a bar is no line
	debugf := func(format string, a ...any) { _, _ = fmt.Fprintf(w, "debug: "+format+"\n", a...) }
	debugf("%s, run %s: %s", thisBuild().line(), o.Run, visible(strings.TrimSpace("davit "+inv.name())))
	return &logged, func(code int) {
		debugf("ended after %s with exit code %d (%s)", h.now().Sub(began).Round(time.Millisecond), code, exitMeaning(code))
		_ = w.Close() // there is nobody left to tell
	}, nil
}

// globalValue returns a global flag of a line that was read, before any command runs.
func (inv *invocation) globalValue(name, fallback string) string {
	for _, word := range inv.flags[0] {
		if value, ok := strings.CutPrefix(word, "--"+name+"="); ok {
			fallback = value
		}
	}
	return fallback
}

// screen is where a question is asked: a question is no line of a log.
func (h *host) screen() io.Writer {
	if h.terminal != nil {
		return h.terminal
	}
	return h.err
}
