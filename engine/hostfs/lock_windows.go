package hostfs

import "golang.org/x/sys/windows"

// lockedAt is the only byte that is locked: far behind what any file holds, since Windows lets nobody read what is locked.
const lockedAt = 1 << 30 // in units of 4 GiB

func lockHandle(handle uintptr, how lockHow) error {
	var flags uint32
	if how.exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	if !how.wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	err := windows.LockFileEx(windows.Handle(handle), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedAt})
	if err == windows.ERROR_LOCK_VIOLATION || err == windows.ERROR_IO_PENDING {
		return ErrLocked
	}
	return err
}

func unlockHandle(handle uintptr) error {
	return windows.UnlockFileEx(windows.Handle(handle), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedAt})
}
