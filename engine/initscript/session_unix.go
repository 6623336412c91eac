//go:build unix

package initscript

import (
	"os/exec"
	"syscall"
)

// ownSession keeps a Ctrl-C that is meant for us from a script in the middle of its work, and from what it starts.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
