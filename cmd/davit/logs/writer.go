package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Format is how records are written.
type Format string

const (
	Plain   Format = "plain"   // the lines as they are, for people
	Text    Format = "text"    // "2026-11-23T03:30:00Z warning run=… text"
	JSON    Format = "json"    // one object per line: time, level, msg, run
	Journal Format = "journal" // "<4>run=… text", for a unit's standard error
)

// Options choose what a Writer writes.
type Options struct {
	Format Format
	Level  slog.Level // what is below it is left out
	Run    string     // the id of the run
	Now    func() time.Time
}

// Writer takes lines and writes records.
type Writer struct {
	handler slog.Handler
	format  Format
	now     func() time.Time

	mu      sync.Mutex
	partial []byte // a line without its end
}

// New returns a Writer to w.
func New(w io.Writer, o Options) *Writer {
	var h slog.Handler = &lineHandler{w: w, o: o}
	if o.Format == JSON {
		h = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: replace}).
			WithAttrs([]slog.Attr{slog.String("run", o.Run)})
	}
	return &Writer{handler: h, format: o.Format, now: o.Now}
}

// replace writes times in UTC and levels as the text does.
func replace(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) > 0:
	case a.Key == slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().UTC().Format(time.RFC3339Nano))
	case a.Key == slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(a.Key, levelName(level))
		}
	}
	return a
}

// Write takes any part of the text: a line becomes a record when its end is there.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, p...)
	for {
		line, rest, whole := bytes.Cut(w.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.partial = append([]byte(nil), rest...)
		if err := w.record(string(line)); err != nil {
			return 0, err
		}
	}
}

// Close writes what has no end yet. It does not close what is written to.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := string(w.partial)
	w.partial = nil
	return w.record(line)
}

func (w *Writer) record(line string) error {
	level, ctx := levelOf(line), context.Background()
	if strings.TrimSpace(line) == "" || !w.handler.Enabled(ctx, level) {
		return nil
	}
	if level == slog.LevelDebug && w.format != Plain {
		line = strings.TrimPrefix(line, "debug: ") // the record says it
	}
	if w.format == JSON && strings.HasPrefix(line, "{") && json.Valid([]byte(line)) {
		r := slog.NewRecord(w.now(), level, "data", 0) // --progress json
		r.AddAttrs(slog.Any("data", json.RawMessage(line)))
		return w.handler.Handle(ctx, r)
	}
	return w.handler.Handle(ctx, slog.NewRecord(w.now(), level, line, 0))
}

// levelOf reads the level off the first words of a line.
func levelOf(line string) slog.Level {
	for _, known := range []struct {
		level slog.Level
		words []string
	}{
		{slog.LevelError, []string{"davit: ", "hint: ", "error: "}},
		{slog.LevelWarn, []string{"warning: ", "problem: ", "left out ", "not saved: "}},
		{slog.LevelDebug, []string{"debug: "}},
	} {
		for _, w := range known.words {
			if strings.HasPrefix(line, w) {
				return known.level
			}
		}
	}
	return slog.LevelInfo
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warning"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// priority is a level as syslog numbers it.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// lineHandler writes records as lines of text.
type lineHandler struct {
	w io.Writer
	o Options
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.o.Level }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var err error
	switch h.o.Format {
	case Journal:
		_, err = fmt.Fprintf(h.w, "<%d>run=%s %s\n", priority(r.Level), h.o.Run, r.Message)
	case Text:
		_, err = fmt.Fprintf(h.w, "%s %s run=%s %s\n", r.Time.UTC().Format(time.RFC3339), levelName(r.Level), h.o.Run, r.Message)
	default:
		_, err = fmt.Fprintln(h.w, r.Message)
	}
	return err
}

// WithAttrs and WithGroup are not needed: a record here has a text and nothing else.
func (h *lineHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *lineHandler) WithGroup(string) slog.Handler      { return h }
