package guard

import (
	"errors"
	"syscall"
)

const noFollow = 0

// makeFifo fails, and so does every start of a guard: nothing is paused or stopped from Windows.
func makeFifo(string) error {
	return errors.New("no guard can watch from Windows over containers that are paused: use --consistency live")
}

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
