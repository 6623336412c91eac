package backup

import (
	"context"
	"path/filepath"
	"time"

	"davit/engine/guard"
)

// HoldOptions says what a run needs of a Holder.
type HoldOptions struct {
	RunID       string
	MaxHold     time.Duration // after which the guard lets go although the run lives; 0 is never
	AllowRMLoss bool
}

// Holder freezes groups of containers.
type Holder interface {
	// Freeze returns when all containers stand still, or none of them.
	Freeze(ctx context.Context, containers []guard.Target, mode guard.Mode) (Frozen, error)
	Close() error
}

// Frozen is a group that stands still until Thaw, which works also when ctx is done.
type Frozen interface {
	Names() []string
	Thaw(ctx context.Context) (guard.Held, error)
}

// guardFolder is where journals of the guard lie below Env.StateDir.
const guardFolder = "guard"

// GuardFolder is where the guard's journals lie below a state folder.
func GuardFolder(stateDir string) string { return filepath.Join(stateDir, guardFolder) }

// GuardedBy makes Env.Hold from the guard: o gives what does not differ between runs, Endpoint, Exe and
// Systemd; StateDir is that of the journals.
func GuardedBy(o guard.Options, eng guard.Engine) func(HoldOptions) (Holder, error) {
	return func(h HoldOptions) (Holder, error) {
		o := o
		o.RunID, o.MaxHold, o.AllowRMLoss = h.RunID, h.MaxHold, h.AllowRMLoss
		g, err := guard.New(o)
		if err != nil {
			return nil, err
		}
		return &guardHolder{guard: g, engine: eng}, nil
	}
}

type guardHolder struct {
	guard  *guard.Guard
	engine guard.Engine
}

func (h *guardHolder) Freeze(ctx context.Context, containers []guard.Target, mode guard.Mode) (Frozen, error) {
	f, err := h.guard.Freeze(ctx, h.engine, containers, mode)
	if err != nil {
		return nil, err // not f: a nil pointer in an interface is not nil
	}
	return f, nil
}

func (h *guardHolder) Close() error { return h.guard.Close() }
