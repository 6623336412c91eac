package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"davit/engine/hostfs"
)

// The files of davit/gc/<number>: one removal of blobs, in the order in which
// they appear.
const (
	condemnedFile = "condemned" // what is to go
	rescueDir     = "rescue"    // what sessions need of it
	sweepingFile  = "sweeping"  // from here on it goes
	doneFile      = "done"      // it is gone
)

// gcRun is one removal, as far as it is.
type gcRun struct {
	number    int64
	condemned time.Time // when that was put, by the clock of the file system
	sweeping  bool
	done      time.Time // zero until then
}

func (g gcRun) isDone() bool { return !g.done.IsZero() }

func gcName(number int64) string { return fmt.Sprintf("%08d", number) }

func (r *Repository) gcPath(number int64, elem ...string) string {
	return r.path(append([]string{gcDir, gcName(number)}, elem...)...)
}

// gcRuns lists the removals in ascending order. A folder without a list of what
// is condemned is none: its maker died.
func (r *Repository) gcRuns() ([]gcRun, error) {
	numbers, err := r.gcNumbers()
	if err != nil {
		return nil, err
	}
	var runs []gcRun
	for _, n := range numbers {
		run := gcRun{number: n}
		var there bool
		if run.condemned, there, err = r.gcTime(n, condemnedFile); err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		if run.done, _, err = r.gcTime(n, doneFile); err != nil {
			return nil, err
		}
		if _, run.sweeping, err = r.gcTime(n, sweepingFile); err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

func (r *Repository) gcNumbers() ([]int64, error) {
	entries, err := os.ReadDir(r.path(gcDir))
	if err != nil {
		return nil, fmt.Errorf("list gc: %w", err)
	}
	var numbers []int64
	for _, entry := range entries {
		n, err := strconv.ParseInt(entry.Name(), 10, 64)
		if err == nil && n > 0 && gcName(n) == entry.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (r *Repository) gcTime(number int64, name string) (time.Time, bool, error) {
	info, err := os.Lstat(r.gcPath(number, name))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	return info.ModTime(), true, nil
}

// highestGC is the number of the newest removal, 0 without one.
func highestGC(runs []gcRun) int64 {
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].number
}

// putMarker writes one of the empty files that tell how far a removal is.
func (r *Repository) putMarker(number int64, name string) error {
	return hostfs.WriteFile(r.gcPath(number, name), nil, filePerm)
}

// putCondemned begins a removal.
func (r *Repository) putCondemned(number int64, blobs []Blob) error {
	for _, dir := range []string{r.gcPath(number), r.gcPath(number, rescueDir)} {
		if err := os.Mkdir(dir, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := hostfs.SyncDir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return writeDigests(r.gcPath(number, condemnedFile), uint64(number), blobs)
}

func (r *Repository) condemned(ctx context.Context, number int64) (*digestSet, error) {
	set, err := readDigests(ctx, r.gcPath(number), condemnedFile)
	if err != nil && ctx.Err() == nil {
		return nil, &GCDamageError{Number: number, Err: err}
	}
	return set, err
}

// rescued is all that sessions have asked a removal to leave.
func (r *Repository) rescued(ctx context.Context, number int64) (*digestSet, error) {
	dir := r.gcPath(number, rescueDir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list rescues: %w", err)
	}
	var blobs []Blob
	for _, entry := range entries {
		if isTemp(entry.Name()) {
			continue
		}
		set, err := readDigests(ctx, dir, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read rescue %s: %w", entry.Name(), err)
		}
		blobs = append(blobs, set.blobs...)
	}
	return newDigestSet(blobs), nil
}

// MendGC ends the removals whose list of what is condemned cannot be read, which
// keeps all sessions from beginning. What was not removed a later GC condemns
// again. It returns their numbers.
func (r *Repository) MendGC(ctx context.Context) ([]int64, error) {
	if r.opt.ReadOnly {
		return nil, fmt.Errorf("mend gc: %w", ErrReadOnly)
	}
	lock, err := r.tryGCLock()
	if err != nil {
		return nil, fmt.Errorf("mend gc: %w", err)
	}
	defer lock.Release()
	runs, err := r.gcRuns()
	if err != nil {
		return nil, fmt.Errorf("mend gc: %w", err)
	}
	var mended []int64
	for _, run := range runs {
		if run.isDone() {
			continue
		}
		_, err := r.condemned(ctx, run.number)
		if damaged := (*GCDamageError)(nil); errors.As(err, &damaged) {
			mended = append(mended, run.number)
			err = r.putMarker(run.number, doneFile)
		}
		if err != nil {
			return mended, fmt.Errorf("mend gc: %w", err)
		}
	}
	return mended, nil
}
