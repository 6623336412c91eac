package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// isJournal reports whether w is what systemd connected to its journal, whose device and inode it names in JOURNAL_STREAM.
// A process whose standard error was redirected inherits the variable all the same.
func isJournal(w io.Writer, stream string) bool {
	f, ok := w.(*os.File)
	if !ok || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// stateSignals are those on which a command says how far it is.
func stateSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1} }
