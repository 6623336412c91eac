package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"davit/engine"
)

// LaunchOptions are what a Launcher gets from its process.
type LaunchOptions struct {
	Engine   *engine.Engine
	Program  func(arch string) (string, error) // the static davit for an engine's machine
	Args     []string                          // that make davit an agent
	StateDir string                            // where a note stands while there are agents; see Recover
	Rand     io.Reader
}

// Launcher starts agents on one engine, for one run. Nothing is made before the first is wanted. Its methods are safe
// for concurrent use.
type Launcher struct {
	options LaunchOptions

	mu    sync.Mutex
	run   string
	note  *note
	image *engine.AgentImage
}

// NewLauncher returns a launcher; the caller closes it when all its helpers are closed.
func NewLauncher(o LaunchOptions) *Launcher { return &Launcher{options: o} }

// Helper is an agent in a container.
type Helper struct {
	*Client
	container *engine.Agent
}

// Start starts an agent that sees these mounts, and may write to them.
func (l *Launcher) Start(ctx context.Context, mounts []engine.AgentMount, write bool) (*Helper, error) {
	image, run, err := l.begin(ctx)
	if err != nil {
		return nil, err
	}
	a, err := image.Start(ctx, engine.AgentSpec{Args: l.options.Args, Mounts: mounts, Write: write, Run: run})
	if err != nil {
		return nil, err
	}
	c, err := Connect(ctx, a.Out, a.In)
	if err != nil {
		err = errors.Join(err, a.Close(context.WithoutCancel(ctx)))
		if said := a.Said(); said != "" {
			err = fmt.Errorf("%w: it says %s", err, said)
		}
		return nil, err
	}
	return &Helper{Client: c, container: a}, nil
}

// Close ends the agent and waits until its container is gone.
func (h *Helper) Close(ctx context.Context) error {
	err := h.container.Close(ctx)
	h.Wait()
	return err
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
	if l.note == nil {
		id := make([]byte, 8)
		if _, err := io.ReadFull(l.options.Rand, id); err != nil {
			return nil, "", fmt.Errorf("make an id: %w", err)
		}
		l.run = hex.EncodeToString(id)
		if l.note, err = writeNote(l.options.StateDir, l.run, l.options.Engine.Endpoint()); err != nil {
			return nil, "", err
		}
	}
	l.image, err = l.options.Engine.AgentImage(ctx, program)
	if errors.Is(err, engine.ErrAgentProgram) {
		l.image = nil
		return nil, "", fmt.Errorf("%w; --agent-binary names a davit that is", err)
	}
	if err != nil {
		l.image = nil
		return nil, "", err
	}
	return l.image, l.run, nil
}

// Close removes the image.
func (l *Launcher) Close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.image != nil {
		err = l.image.Close(ctx)
		l.image = nil
	}
	if l.note == nil {
		return err
	}
	if err != nil {
		return errors.Join(err, l.note.leave())
	}
	note := l.note
	l.note = nil
	return note.remove()
}
