//go:build unix

package guard

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

func makeFifo(path string) error { return unix.Mkfifo(path, 0o600) }

// ownSession is for a process that no terminal's end reaches.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
