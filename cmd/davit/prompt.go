package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}
}

// declinedError ends a command whose question was answered with no.
type declinedError struct{}

func (declinedError) Error() string { return "not confirmed, nothing was done" }

// confirm asks before something that cannot be taken back. Without a terminal there is nobody to answer, so the
// command ends as wrong usage instead of waiting forever.
func (h *host) confirm(c *cli.Context, question string) error {
	if c.Bool("yes") {
		return nil
	}
	if !h.inTTY {
		return misuse(c, "needs a confirmation, and there is no terminal to ask on", lookFirst(c.Command))
	}
	if h.silent {
		return misuse(c, "needs a confirmation, and --quiet hides what there is to confirm", "look without --quiet, then add --yes")
	}
	_, _ = fmt.Fprintf(h.screen(), "%s [y/N] ", visible(question))
	answer, err := readLine(c.Context, h.in)
	if err != nil {
		_, _ = fmt.Fprintln(h.err)
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return declinedError{}
}

// readLine returns the next line, or the context's error as soon as it is cancelled: a read from a terminal cannot be
// interrupted, and the process is about to end then anyway. The end of the input is an empty answer.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(r).ReadString('\n')
		lines <- line
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// lookFirst is the way out where nobody can be asked.
func lookFirst(c *cli.Command) string {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), "dry-run") {
			return "look at --dry-run, then add --yes"
		}
	}
	return "add --yes if that is meant"
}
