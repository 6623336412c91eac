//go:build unix

package hostfs

import "golang.org/x/sys/unix"

func lockHandle(fd uintptr, how lockHow) error {
	op := unix.LOCK_SH
	if how.exclusive {
		op = unix.LOCK_EX
	}
	if !how.wait {
		op |= unix.LOCK_NB
	}
	for {
		switch err := unix.Flock(int(fd), op); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return err
		}
	}
}

func unlockHandle(fd uintptr) error { return unix.Flock(int(fd), unix.LOCK_UN) }
