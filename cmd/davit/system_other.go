//go:build !linux

package main

import (
	"io"
	"os"
)

// isJournal: there is no systemd.
func isJournal(io.Writer, string) bool { return false }

// stateSignals: there are none that all other systems have.
func stateSignals() []os.Signal { return nil }
