package prune

import (
	"context"

	"davit/engine"
)

// Reader is what Read asks of an engine.
type Reader interface {
	Endpoint() string
	Info(ctx context.Context) (engine.Info, error)
	Local(ctx context.Context) (bool, string)
	Containers(ctx context.Context) ([]engine.Container, error)
	ContainersByID(ctx context.Context, ids []string) ([]engine.Container, error)
	AllImages(ctx context.Context) ([]engine.Image, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
	Networks(ctx context.Context) ([]engine.Network, error)
	BuildCache(ctx context.Context) ([]engine.CacheRecord, error)
	Services(ctx context.Context) ([]engine.ServiceRefs, error)
	LayerSizes(ctx context.Context, id string) ([]int64, error)
}

// Remover is what Apply does to an engine, and asks just before.
type Remover interface {
	Reader
	InspectContainer(ctx context.Context, ref string) (engine.Container, error)
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	InspectVolume(ctx context.Context, name string) (engine.Volume, error)
	InspectNetwork(ctx context.Context, ref string) (engine.Network, error)
	ContainerUses(ctx context.Context) ([]engine.ContainerUse, error)
	Events(ctx context.Context, kinds, actions []string, ready func(), visit func(engine.Event) error) error
	RemoveContainer(ctx context.Context, id string) error
	RemoveImage(ctx context.Context, ref string) (deleted []string, err error)
	RemoveVolume(ctx context.Context, name string) error
	RemoveNetwork(ctx context.Context, id string) error
	RemoveCache(ctx context.Context, id string) (freed uint64, gone bool, err error)
}
