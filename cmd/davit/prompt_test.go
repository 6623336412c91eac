package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/creack/pty"
	"github.com/urfave/cli/v2"
)

// confirming runs confirm on a terminal on which answer is typed.
func confirming(t *testing.T, ctx context.Context, answer string, yes bool) (string, error) {
	t.Helper()
	keyboard, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer keyboard.Close()
	defer terminal.Close()
	if _, err := keyboard.WriteString(answer); err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	h := &host{in: terminal, inTTY: true, err: &screen}
	err = h.confirm(contextOf(ctx, yes), "Replace \x1bit?")
	return screen.String(), err
}

// contextOf is the context of a command with the flag --yes.
func contextOf(ctx context.Context, yes bool) *cli.Context {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.Bool("yes", yes, "")
	c := cli.NewContext(&cli.App{Name: "davit"}, flags, &cli.Context{Context: ctx})
	c.Command = &cli.Command{Name: "backup"}
	return c
}

// TestConfirm shows that only a yes is a yes, and that the question is quoted.
func TestConfirm(t *testing.T) {
	const eof = "\x04"
	for answer, want := range map[string]bool{
		"y\n": true, "yes\n": true, "YES \n": true, "n\n": false, "\n": false, "yesterday\n": false, eof: false,
	} {
		screen, err := confirming(t, t.Context(), answer, false)
		if got := err == nil; got != want || !want && !errors.Is(err, declinedError{}) {
			t.Errorf("%q: %v", answer, err)
		}
		if screen != `Replace \x1bit? [y/N] ` {
			t.Errorf("asked %q", screen)
		}
	}
}

func TestConfirmedBefore(t *testing.T) {
	if screen, err := confirming(t, t.Context(), "n\n", true); err != nil || screen != "" {
		t.Errorf("--yes asks all the same: %q, %v", screen, err)
	}
}

// TestNobodyAnswers shows that a signal ends the question, and that nobody is asked where nobody is.
func TestNobodyAnswers(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interruptedError{signal: 2})
	if _, err := confirming(t, ctx, "", false); !errors.As(err, &interruptedError{}) {
		t.Errorf("cancelled: %v", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var usage *usageError
	err = (&host{in: null}).confirm(contextOf(t.Context(), false), "Sure?")
	if !errors.As(err, &usage) || usage.code != exitUsage {
		t.Errorf("without a terminal: %v", err)
	}
}
