package agent

import (
	"context"
	"errors"
	"io"

	"davit/engine"
	"davit/engine/hostfs"
)

// Holding makes helper containers that hold a volume and run no agent. Each has a note of its own on disk before it is made, by
// which Recover finds it when the process was killed. Its methods are safe for concurrent use.
type Holding struct {
	Engine   *engine.Engine
	StateDir string
	Rand     io.Reader
}

// Mounted is a volume that a helper container holds mounted on this host, at Path.
type Mounted struct {
	*engine.Helper
	noted noted
}

// Mount has a local engine mount a volume until the result is closed; see engine.HelperMount.
func (h *Holding) Mount(ctx context.Context, volume string) (*Mounted, error) {
	n, err := h.note()
	if err != nil {
		return nil, err
	}
	helper, err := h.Engine.HelperMount(ctx, volume, n.run)
	if err != nil {
		return nil, errors.Join(err, n.sweep(ctx))
	}
	return &Mounted{helper, n}, nil
}

// Close lets the engine unmount the volume. It is called once.
func (m *Mounted) Close(ctx context.Context) error { return m.noted.settle(m.Helper.Close(ctx)) }

// Copier copies a volume by the engine's archive API.
type Copier struct {
	*engine.VolumeCopier
	noted noted
}

// Copy makes a copier for a volume, which the caller closes; see engine.CopyVolume.
func (h *Holding) Copy(ctx context.Context, volume string, write bool) (*Copier, error) {
	n, err := h.note()
	if err != nil {
		return nil, err
	}
	copier, err := h.Engine.CopyVolume(ctx, volume, write, n.run)
	if err != nil {
		return nil, errors.Join(err, n.sweep(ctx))
	}
	return &Copier{copier, n}, nil
}

// Close removes what was made. It is called once.
func (c *Copier) Close(ctx context.Context) error { return c.noted.settle(c.VolumeCopier.Close(ctx)) }

// noted is a note with the run that it is of.
type noted struct {
	*hostfs.Note
	run    string
	engine *engine.Engine
}

func (h *Holding) note() (noted, error) {
	run, err := newRun(h.Rand)
	if err != nil {
		return noted{}, err
	}
	n, err := writeNote(h.StateDir, run, h.Engine.Reference())
	return noted{n, run, h.Engine}, err
}

// settle removes the note if all that it is about is gone.
func (n noted) settle(err error) error {
	if err != nil {
		return errors.Join(err, n.Leave())
	}
	return n.Done()
}

// sweep removes what a helper that could not be made may have left.
func (n noted) sweep(ctx context.Context) error {
	_, err := n.engine.RemoveHelpers(context.WithoutCancel(ctx), n.run)
	return n.settle(err)
}
