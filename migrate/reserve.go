package migrate

import (
	"davit/engine/hostfs"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// reserveSize is the room that is kept for the journal. A disk is often moved because it is full, and containers fill what
// is left while they run.
const reserveSize = 8 << 20

func (j *journal) reservePath() string { return filepath.Join(Folder(j.stateDir), "reserve") }

// reserve keeps room for the journal, on a disk that others fill, until release.
func (j *journal) reserve() error {
	f, err := os.OpenFile(j.reservePath(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep room for the migration's journal: %w", err)
	}
	if err = errors.Join(hostfs.Allocate(f, reserveSize), f.Close()); err != nil {
		j.release()
		return fmt.Errorf("keep room for the migration's journal in %s: %w", Folder(j.stateDir), err)
	}
	return nil
}

// release gives the room away. That it cannot is no reason not to go on.
func (j *journal) release() {
	_ = os.Remove(j.reservePath())
}
