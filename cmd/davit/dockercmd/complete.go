package dockercmd

import (
	"bytes"
	"context"
	_ "embed" // for the script
	"fmt"
	"io"
	"time"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
	"github.com/spf13/cobra"
)

// completionTime is how long an engine may take to name its objects: longer, and the shell seems to hang.
const completionTime = 200 * time.Millisecond

// Completion is what the shell is told: one candidate per line, with a description behind a tab, and in the last line
// a colon with a number that says what to do with them.
const (
	CompleteFiles = ":0" // file names as well
	CompleteNames = ":4" // only what was said
)

// Complete writes what can follow a command line that begins with one of docker's words; word is the beginning of
// what is being typed. After 200 ms it writes that there is nothing.
func (p *Program) Complete(ctx context.Context, line Line, word string) error {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	quiet := *p
	quiet.Err = io.Discard
	found := make(chan string, 1)
	go func() {
		answer, err := quiet.complete(ctx, line, word)
		if err != nil {
			answer = CompleteNames + "\n"
		}
		found <- answer
	}()
	answer := CompleteNames + "\n"
	select {
	case answer = <-found:
	case <-ctx.Done():
	}
	_, err := io.WriteString(p.Out, answer)
	return err
}

func (p *Program) complete(ctx context.Context, line Line, word string) (string, error) {
	s, err := p.session(ctx)
	if err != nil {
		return "", err
	}
	var answer bytes.Buffer
	s.completing = true
	root := s.tree()
	root.command.SetOut(&answer)
	top := cli.NewTopLevelCommand(root.command, s.DockerCli, root.options, root.command.Flags())
	args := append(append([]string{}, line.globals...), cobra.ShellCompRequestCmd)
	top.SetArgs(append(append(args, line.rest...), word))
	cmd, args, err := top.HandleGlobalFlags()
	if err != nil {
		return "", err
	}
	if err := top.Initialize(command.WithBaseContext(ctx)); err != nil {
		return "", err
	}
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(ctx)
	return answer.String(), err
}

// bashCompletion stands in the place of the library's script, which needs a package that servers rarely have.
//
//go:embed completion.bash
var bashCompletion string

// CompletionScript writes the script that makes a shell ask for completions: bash, zsh or fish.
func (p *Program) CompletionScript(shell string) error {
	s, err := p.session(context.Background())
	if err != nil {
		return err
	}
	root := s.tree().command
	switch shell {
	case "bash":
		_, err := io.WriteString(p.Out, bashCompletion)
		return err
	case "zsh":
		return root.GenZshCompletion(p.Out)
	case "fish":
		return root.GenFishCompletion(p.Out, true)
	}
	return fmt.Errorf("no completion for %s: bash, zsh and fish have it", shell)
}
