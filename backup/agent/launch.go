package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"davit/engine"
	"davit/engine/hostfs"
)

// LaunchOptions are what a Launcher gets from its process.
type LaunchOptions struct {
	Engine   *engine.Engine
	Program  func(arch string) (string, error) // the static davit for an engine's machine
	Args     []string                          // that make davit an agent
	StateDir string                            // where a note stands while there are agents; see Recover
	Rand     io.Reader
}

// Launcher starts agents on one engine, for one run. Nothing is made before the first is wanted, and before that is a note on
// disk by which Recover finds what a killed process leaves. Its methods are safe for concurrent use.
type Launcher struct {
	options LaunchOptions

	mu    sync.Mutex
	run   string
	note  *hostfs.Note
	image *engine.AgentImage
	doubt bool // something may be left although it was closed
}

// NewLauncher returns a launcher; the caller closes it when all its helpers are closed.
func NewLauncher(o LaunchOptions) *Launcher { return &Launcher{options: o} }

// Helper is an agent in a container.
type Helper struct {
	*Client
	container *engine.Agent
	launcher  *Launcher
}

// Start starts an agent that sees these mounts, and may write to them.
func (l *Launcher) Start(ctx context.Context, mounts []engine.AgentMount, write bool) (*Helper, error) {
	image, run, err := l.begin(ctx)
	if err != nil {
		return nil, err
	}
	a, err := image.Start(ctx, engine.AgentSpec{Args: l.options.Args, Mounts: mounts, Write: write, Run: run})
	if err != nil {
		return nil, l.doubted(err)
	}
	c, err := Connect(ctx, a.Out, a.In)
	if err != nil {
		err = errors.Join(err, l.doubted(a.Close(context.WithoutCancel(ctx))))
		if said := a.Said(); said != "" {
			err = fmt.Errorf("%w: it says %s", err, said)
		}
		return nil, err
	}
	return &Helper{Client: c, container: a, launcher: l}, nil
}

// Close ends the agent and waits until its container is gone.
func (h *Helper) Close(ctx context.Context) error {
	err := h.container.Close(ctx)
	h.Wait()
	return h.launcher.doubted(err)
}

// begin makes what all agents of the run share, once.
func (l *Launcher) begin(ctx context.Context) (*engine.AgentImage, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.image != nil {
		return l.image, l.run, nil
	}
	info, err := l.options.Engine.Info(ctx)
	if err != nil {
		return nil, "", err
	}
	program, err := l.options.Program(info.Arch)
	if err != nil {
		return nil, "", err
	}
	if err := l.writeNote(); err != nil {
		return nil, "", err
	}
	image, err := l.options.Engine.AgentImage(ctx, program)
	if errors.Is(err, engine.ErrAgentProgram) {
		return nil, "", fmt.Errorf("%w; --agent-binary names a davit that is", err)
	}
	if err != nil {
		return nil, "", err
	}
	l.image = image
	return l.image, l.run, nil
}

// newRun makes the id that the helpers of a run have in common.
func newRun(random io.Reader) (string, error) {
	id := make([]byte, 8)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return hex.EncodeToString(id), nil
}

// writeNote notes, durably and once, that there may be agents from now on. The caller holds mu.
func (l *Launcher) writeNote() error {
	if l.note != nil {
		return nil
	}
	var err error
	if l.run, err = newRun(l.options.Rand); err != nil {
		return err
	}
	l.note, err = writeNote(l.options.StateDir, l.run, l.options.Engine.Reference())
	return err
}

// doubted keeps in mind that something could not be made or removed in good order, and passes the reason on.
func (l *Launcher) doubted(err error) error {
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.doubt = true
	}
	return err
}

// Close removes the image, and looks once more for agents where something went wrong. What it cannot remove stays noted.
func (l *Launcher) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.doubt && l.note != nil {
		_, err = l.options.Engine.RemoveHelpers(ctx, l.run)
	}
	if l.image != nil {
		err = errors.Join(err, l.image.Close(ctx))
		l.image = nil
	}
	if l.note == nil {
		return err
	}
	note := l.note
	l.note = nil
	if err != nil {
		return errors.Join(err, note.Leave())
	}
	return note.Done()
}
