package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"davit/backup/repo/storage"
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

func gcPath(number int64, elem ...string) string {
	return strings.Join(append([]string{gcDir, gcName(number)}, elem...), "/")
}

// gcRuns lists the removals in ascending order. A folder without a list of what
// is condemned is none: its maker died.
func (r *Repository) gcRuns(ctx context.Context) ([]gcRun, error) {
	found, err := r.gcFolders(ctx)
	if err != nil {
		return nil, err
	}
	var runs []gcRun
	for _, n := range slices.Sorted(maps.Keys(found)) {
		if run := found[n]; !run.condemned.IsZero() {
			runs = append(runs, *run)
		}
	}
	return runs, nil
}

// gcFolders lists all that looks like a removal.
func (r *Repository) gcFolders(ctx context.Context) (map[int64]*gcRun, error) {
	found := make(map[int64]*gcRun)
	err := r.store.List(ctx, gcDir, func(e storage.Entry) error {
		folder, name, _ := strings.Cut(strings.TrimPrefix(e.Name(), gcDir+"/"), "/")
		n, err := strconv.ParseInt(folder, 10, 64)
		if err != nil || n <= 0 || gcName(n) != folder {
			return nil //nolint:nilerr // not ours
		}
		if found[n] == nil {
			found[n] = &gcRun{number: n}
		}
		return found[n].see(name, e)
	})
	if err != nil {
		return nil, fmt.Errorf("list gc: %w", err)
	}
	return found, nil
}

// see takes in one of the run's files.
func (g *gcRun) see(name string, e storage.Entry) error {
	if name == sweepingFile {
		g.sweeping = true
	}
	if name != condemnedFile && name != doneFile {
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if name == condemnedFile {
		g.condemned = info.Time
	} else {
		g.done = info.Time
	}
	return err
}

// gcHas tells whether a file of a removal is there now.
func (r *Repository) gcHas(ctx context.Context, number int64, name string) (bool, error) {
	_, err := r.store.Stat(ctx, gcPath(number, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// highestGC is the number of the newest removal, 0 without one.
func highestGC(runs []gcRun) int64 {
	if len(runs) == 0 {
		return 0
	}
	return runs[len(runs)-1].number
}

// putMarker writes one of the empty files that tell how far a removal is.
func (r *Repository) putMarker(ctx context.Context, number int64, name string) error {
	return r.store.Put(ctx, gcPath(number, name), nil)
}

// putCondemned begins a removal.
func (r *Repository) putCondemned(ctx context.Context, number int64, blobs []Blob) error {
	return r.writeDigests(ctx, gcPath(number, condemnedFile), uint64(number), blobs)
}

func (r *Repository) condemned(ctx context.Context, number int64) (*digestSet, error) {
	set, err := r.readDigests(ctx, gcPath(number), condemnedFile)
	if err != nil && ctx.Err() == nil {
		return nil, &GCDamageError{Number: number, Err: err}
	}
	return set, err
}

// rescued is all that sessions have asked a removal to leave.
func (r *Repository) rescued(ctx context.Context, number int64) (*digestSet, error) {
	folder := gcPath(number, rescueDir)
	entries, err := r.list(ctx, folder, "", func(string) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("list rescues: %w", err)
	}
	var blobs []Blob
	for name := range entries {
		set, err := r.readDigests(ctx, folder, name)
		if err != nil {
			return nil, fmt.Errorf("read rescue %s: %w", name, err)
		}
		blobs = append(blobs, set.blobs...)
	}
	return newDigestSet(blobs), nil
}

// MendGC ends the removals whose list of what is condemned cannot be read, which
// keeps all sessions from beginning. What was not removed a later GC condemns
// again. It returns their numbers.
func (r *Repository) MendGC(ctx context.Context) ([]int64, error) {
	if err := r.mayReplace(); err != nil {
		return nil, fmt.Errorf("mend gc: %w", err)
	}
	lock, err := r.tryGCLock(ctx)
	if err != nil {
		return nil, fmt.Errorf("mend gc: %w", err)
	}
	defer lock.Release()
	runs, err := r.gcRuns(ctx)
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
			err = r.putMarker(ctx, run.number, doneFile)
		}
		if err != nil {
			return mended, fmt.Errorf("mend gc: %w", err)
		}
	}
	return mended, nil
}
