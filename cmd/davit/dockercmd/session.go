package dockercmd

import (
	"io"
	"os"

	"davit/engine"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/cli/cli/streams"
	"golang.org/x/term"
)

// session is the library's client for one command line. What a command prints and what it hears from the engine goes
// through it.
type session struct {
	*command.DockerCli
	program *Program
	globals *flags.ClientOptions
	screen  screen
	guarded *streams.Out // standard output, guarded
	api     engine.CommandAPI

	completing bool // what is printed are names for a shell, one in a line
}

func newSession(p *Program, c *command.DockerCli) *session {
	s := &session{DockerCli: c, program: p}
	if c.Out().IsTerminal() {
		s.guarded = streams.NewOut(&visibleWriter{w: c.Out(), visible: p.Visible})
		s.guarded.SetIsTerminal(true)
	}
	return s
}

// Out returns the standard output, guarded on a terminal when the command lists or inspects.
func (s *session) Out() *streams.Out {
	if s.guarded != nil && s.screen == listing {
		return s.guarded
	}
	return s.DockerCli.Out()
}

// Client returns the connection to the engine for the library's commands.
func (s *session) Client() engine.CommandAPI {
	if s.api == nil {
		s.api = &engineAPI{CommandAPI: s.engine()}
		if s.completing || s.guarded != nil && s.screen != passing {
			s.api = &visibleAPI{CommandAPI: s.api, visible: s.program.Visible}
		}
	}
	return s.api
}

// engine returns the connection whose answers are as the engine gave them, for commands that decide by them.
func (s *session) engine() engine.CommandAPI { return s.DockerCli.Client() }

// shown returns a name as it may be printed.
func (s *session) shown(name string) string {
	if s.guarded == nil {
		return name
	}
	return s.program.Visible(name)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
