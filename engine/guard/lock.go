package guard

import (
	"errors"
	"os"

	"davit/engine/hostfs"
)

// takeLock takes the lock of a journal and tells whether nobody else holds it.
func takeLock(f *os.File) (bool, error) {
	err := hostfs.Lock(f)
	if errors.Is(err, hostfs.ErrLocked) {
		return false, nil
	}
	return err == nil, err
}
