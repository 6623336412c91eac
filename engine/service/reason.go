package service

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"davit/engine/systemd"
)

// journalLines is how much of the journal is looked at for a reason, and shown.
const journalLines = 20

// journalTime is how long the journal may take, also when no time is left for the rest.
const journalTime = 10 * time.Second

// failed makes the error of a job that did not succeed, with what the journal says.
func (s *Service) failed(ctx context.Context, verb systemd.Verb, unit string, begin time.Time, job error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalTime)
	defer cancel()
	service, sockets, err := s.units(ctx)
	e := &FailedError{Verb: verb, Unit: unit, Reason: strings.TrimPrefix(job.Error(), string(verb)+" "+unit+": ")}
	if err != nil {
		return e
	}
	e.Retries = service.Sub == "auto-restart" || service.Sub == "auto-restart-queued" || service.Active == "activating"
	names := []string{s.name}
	for _, u := range sockets {
		names = append(names, u.Name)
	}
	// A journal that cannot be read leaves the manager's own word.
	e.Journal, _ = s.manager.Journal(ctx, begin, journalLines, names...)
	if said := reason(e.Journal); said != "" {
		e.Reason = said
	} else if service.Result != "" && service.Result != "success" {
		e.Reason = service.Result
	}
	return e
}

// reason picks the line that says why: the engine's last word that is no mere news, else
// the manager's first complaint.
func reason(lines []systemd.Line) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if l := lines[i]; !l.Manager {
			if text, bad := complaint(l.Message); bad {
				return text
			}
		}
	}
	for _, l := range lines {
		if l.Manager && l.Priority <= 4 {
			return l.Message
		}
	}
	return ""
}

// structured is how dockerd writes its log.
var structured = regexp.MustCompile(`^time="?[^ "]*"? level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+)( .*)?$`)

// complaint returns a message without its decoration, and whether it is one.
func complaint(message string) (string, bool) {
	m := structured.FindStringSubmatch(message)
	if m == nil {
		// dockerd says plainly only why it ends; what it shows beside that is about its flags.
		return message, message != "" && !strings.HasPrefix(message, "See 'dockerd --help'") &&
			!strings.HasPrefix(message, "Usage:") && !strings.HasPrefix(message, "A self-sufficient runtime")
	}
	text := m[2]
	if plain, err := strconv.Unquote(text); err == nil {
		text = plain
	}
	switch m[1] {
	case "error", "fatal", "panic":
		return text, true
	}
	return text, false
}
