package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// Subcommand is the hidden first argument with which davit runs [Main].
const Subcommand = "__guard"

// DefaultStateDir is where root's journals are.
const DefaultStateDir = "/var/lib/davit/guard"

// DefaultLimit is how long an engine that does not answer is tried.
const DefaultLimit = 15 * time.Minute

// Options say how a run is guarded.
type Options struct {
	StateDir string // of the journals; made with mode 0700 if it is missing
	RunID    string // unique among runs: letters, digits, "-", "_" and "."
	Endpoint string // of the engine, as [Main]'s connect understands it
	Exe      string // davit's binary; "": the running one
	// Systemd starts the guard as a transient unit. It is an option and not a discovery,
	// because only root may; see [davit/engine/systemd.Running].
	Systemd bool
	// MaxHold is how long a freeze may last before the guard ends it although the owner
	// lives: the longest freeze the owner intends, and some grace. 0: no limit. The time
	// that containers take to stop is added by itself.
	MaxHold time.Duration
	// Limit is how long an undoing is tried; 0: DefaultLimit.
	Limit time.Duration
	// AllowRMLoss permits to stop --rm containers, which deletes them.
	AllowRMLoss bool
	// Now is the clock of records and durations; nil: time.Now.
	Now func() time.Time
}

// Guard freezes containers for one run. Its methods may be called from several goroutines.
type Guard struct {
	o Options

	mu   sync.Mutex
	j    *journal // nil until the first freeze
	proc *process // the guard process, nil until the first freeze
	seq  int
}

// validRun keeps a run's id usable as a file name and in a unit's name.
var validRun = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// New checks the options. It starts nothing and writes nothing: that comes with the first
// freeze. Close the guard when the run ends.
func New(o Options) (*Guard, error) {
	if !validRun.MatchString(o.RunID) {
		return nil, fmt.Errorf("guard run: bad run id %q", o.RunID)
	}
	dir, err := filepath.Abs(o.StateDir)
	if err != nil || o.StateDir == "" {
		return nil, errors.Join(fmt.Errorf("guard run: bad state folder %q", o.StateDir), err)
	}
	o.StateDir = dir
	if o.Exe == "" {
		if o.Exe, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("guard run: find own program: %w", err)
		}
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Guard{o: o}, nil
}

// ready makes sure that a journal is there and that a guard waits.
func (g *Guard) ready(ctx context.Context) (*journal, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.j == nil {
		me, err := self()
		if err != nil {
			return nil, err
		}
		head := record{Op: opOpen, Process: &me, Endpoint: g.o.Endpoint, Limit: g.o.Limit}
		if g.j, err = createJournal(g.o.StateDir, g.o.RunID, head, g.o.Now); err != nil {
			return nil, err
		}
	}
	if g.proc != nil && g.proc.alive() {
		return g.j, nil
	}
	p, err := startProcess(ctx, g.o, g.j.path)
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	g.proc = p
	return g.j, nil
}

// next numbers n deeds and returns the first number.
func (g *Guard) next(n int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := g.seq + 1
	g.seq += n
	return first
}

// Close ends the guard process and waits for its end. Freezes that could not be thawed are
// left to it: then Close says so, and the guard goes on trying.
func (g *Guard) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.j == nil {
		return nil
	}
	t := tail{j: g.j}
	err := t.read()
	left := t.outstanding()
	if err == nil && len(left) == 0 {
		err = clear(g.j)
	}
	// Letting go of the lock is what the guard waits for.
	err = errors.Join(err, g.j.close())
	g.j = nil
	if len(left) > 0 {
		return errors.Join(err, fmt.Errorf("close guard: %d containers are still frozen, the guard goes on", len(left)))
	}
	if g.proc != nil {
		err = errors.Join(err, g.proc.wait(closeTimeout))
	}
	return err
}
