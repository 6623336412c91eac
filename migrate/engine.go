package migrate

import (
	"context"

	"davit/engine"
)

// Engine is the engine as a migration needs it; engine.Engine is one.
type Engine interface {
	Info(ctx context.Context) (engine.Info, error)
	Containers(ctx context.Context) ([]engine.Container, error)
	InspectContainer(ctx context.Context, ref string) (engine.Container, error)
	Images(ctx context.Context) ([]engine.Image, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
	Networks(ctx context.Context) ([]engine.Network, error)
	Plugins(ctx context.Context) ([]engine.Plugin, error)
	Start(ctx context.Context, id string) error
	Stop(ctx context.Context, id string) error
	Pause(ctx context.Context, id string) error
	SetRestartPolicy(ctx context.Context, id string, p engine.RestartPolicy) error
	Close() error
}

// Connect connects to the engine at an endpoint.
type Connect func(ctx context.Context, endpoint string) (Engine, error)
