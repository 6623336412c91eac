package dockercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/version"
	"github.com/sirupsen/logrus"
)

// Program is what docker's words get from the program they run in.
type Program struct {
	Name      string // as it is typed
	Version   string
	Commit    string
	BuildTime string // RFC 3339, or ""
	In        io.ReadCloser
	Out, Err  io.Writer
	Visible   func(string) string // quotes the control characters of a text
}

// Run carries out a command line that begins with one of docker's words, and returns the exit code. A signal ends it
// as it ends docker.
func (p *Program) Run(ctx context.Context, line Line) int {
	ctx, stop := withSignals(ctx)
	defer stop()
	s, err := p.session(ctx)
	if err == nil {
		logrus.SetOutput(s.Err())
		go s.exitAtThird(ctx)
		err = s.execute(ctx, line)
	}
	return p.report(err)
}

// execute reads the global flags, builds the commands and runs the one that is meant.
func (s *session) execute(ctx context.Context, line Line) error {
	root := s.tree()
	top := cli.NewTopLevelCommand(root.command, s.DockerCli, root.options, root.command.Flags())
	args := line.rest
	if line.help {
		args = append([]string{"help"}, args...)
	}
	top.SetArgs(append(append([]string{}, line.globals...), args...))
	cmd, args, err := top.HandleGlobalFlags()
	if err != nil {
		return err
	}
	if err := top.Initialize(); err != nil {
		return err
	}
	s.globals = root.options
	if found, _, err := cmd.Find(args); err == nil {
		s.screen = screenOf(found)
	}
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

// report says what went wrong, and returns the exit code, as docker's client does. What was cancelled by the user, a
// declined question among it, is no error there.
func (p *Program) report(err error) int {
	var signalled terminatedError
	var status cli.StatusError
	switch {
	case errors.As(err, &signalled):
		return 128 + int(signalled.signal)
	case err == nil || errdefs.IsCanceled(err):
		return 0
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintln(p.Err, p.said(text))
	}
	if errors.As(err, &status) && status.StatusCode != 0 {
		return status.StatusCode
	}
	return 1
}

// said puts our own name where the library says docker's, and makes what could harm a terminal visible.
func (p *Program) said(text string) string {
	if rest, found := strings.CutPrefix(text, "docker: "); found {
		text = p.Name + ": " + rest
	}
	text = strings.NewReplacer("'docker ", "'"+p.Name+" ", `"docker `, `"`+p.Name+" ").Replace(text)
	if !isTerminal(p.Err) {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = p.Visible(l)
	}
	return strings.Join(lines, "\n")
}

// session makes the library's client.
func (p *Program) session(ctx context.Context) (*session, error) {
	version.Version, version.GitCommit, version.BuildTime, version.PlatformName = p.Version, p.Commit, p.BuildTime, p.Name
	client, err := command.NewDockerCli(command.WithBaseContext(ctx), command.WithInputStream(p.In),
		command.WithOutputStream(p.Out), command.WithErrorStream(p.Err))
	if err != nil {
		return nil, err
	}
	return newSession(p, client), nil
}

// exitAtThird ends the program at the third signal when it does not end by itself: some commands do not look at
// their context.
func (s *session) exitAtThird(ctx context.Context) {
	<-ctx.Done()
	var signalled terminatedError
	if !errors.As(context.Cause(ctx), &signalled) {
		return
	}
	more := notify()
	<-more
	<-more
	_, _ = fmt.Fprint(s.Err(), "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n")
	s.In().RestoreTerminal()
	s.Out().RestoreTerminal()
	s.Err().RestoreTerminal()
	os.Exit(1)
}

// terminatedError is the cause of a context that a signal cancelled.
type terminatedError struct{ signal syscall.Signal }

func (terminatedError) Error() string { return "" }
