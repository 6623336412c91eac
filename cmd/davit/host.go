package main

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"
)

// host is what a command gets from the machine and the process it runs in.
type host struct {
	in       *os.File
	out, err io.Writer
	outTTY   bool
	errTTY   bool
	inTTY    bool
	terminal io.Writer // what err was before it became a log; nil when it is none
	silent   bool      // only what is wrong is said
	getenv   func(string) string
	euid     int
	goos     string // the system that it is, as Go calls it
	hostname func() (string, error)
	now      func() time.Time
}

// thisHost returns the machine and process that davit really runs in.
func thisHost() *host {
	return &host{
		in:       os.Stdin,
		out:      os.Stdout,
		err:      os.Stderr,
		inTTY:    term.IsTerminal(int(os.Stdin.Fd())),
		outTTY:   term.IsTerminal(int(os.Stdout.Fd())),
		errTTY:   term.IsTerminal(int(os.Stderr.Fd())),
		getenv:   os.Getenv,
		euid:     os.Geteuid(),
		goos:     runtime.GOOS,
		hostname: os.Hostname,
		now:      time.Now,
	}
}

// width returns the columns of the terminal that messages go to, 80 where there is none.
func (h *host) width() int {
	if f, ok := h.err.(*os.File); ok && h.errTTY {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 40 {
			return w
		}
	}
	return 80
}
