package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"davit/backup/agent"
	"davit/backup/repo"
	"davit/engine"
)

// Env is what a run gets from the process it runs in. Repo is needed by everything; PlanCreate
// uses it only to keep the repository out of its own backup.
type Env struct {
	Repo   *repo.Repository
	Engine Engine // nil without an engine: only paths can be saved, and files restored

	Host     string // this host's name, written into snapshots and meant by "latest"
	Version  string // davit's own
	StateDir string // journals: /var/lib/davit
	CacheDir string // what makes the next run faster, and the spool: /var/cache/davit
	Now      func() time.Time
	Rand     io.Reader
	Reporter Reporter // nil reports nothing

	// Hold freezes containers for one run, so that they run again whatever happens to this process; see
	// GuardedBy. Nil is allowed where nothing is to be held.
	Hold func(HoldOptions) (Holder, error)

	Hooks Hooks // what runs inside containers; nil runs nothing

	// Mount has a local engine mount a volume that is only there while something uses it; see agent.Holding. The caller
	// closes what it returns. Nil: such volumes cannot be read.
	Mount func(ctx context.Context, volume string) (*agent.Mounted, error)

	// Agents reach the files of an engine that is not on this machine; nil: they cannot be reached.
	Agents Agents
	// Copy copies volumes of such an engine by its archive API, where Agents is nil; see agent.Holding.
	Copy func(ctx context.Context, volume string, write bool) (VolumeCopier, error)
	// AlwaysAgents has them used for an engine on this machine, too.
	AlwaysAgents bool
}

// Engine is what a backup and a restore need of engine.Engine. An Engine that holds a nil pointer
// is not the same as none: leave Env.Engine unset.
type Engine interface {
	Host
	Target
	ImageSource
}

// Host is the reading side of an engine: what PlanCreate and PlanRestore ask.
type Host interface {
	Endpoint() string
	Info(ctx context.Context) (engine.Info, error)
	Local(ctx context.Context) (bool, string)
	Containers(ctx context.Context) ([]engine.Container, error)
	ContainersSized(ctx context.Context) ([]engine.Container, error)
	OwnLabels(ctx context.Context, c engine.Container) (map[string]string, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
	Images(ctx context.Context) ([]engine.Image, error)
	Networks(ctx context.Context) ([]engine.Network, error)
}

// Target is the writing side: what a restore does to an engine.
type Target interface {
	InspectVolume(ctx context.Context, name string) (engine.Volume, error)
	CreateVolume(ctx context.Context, s engine.VolumeSpec) (engine.Volume, error)
	RemoveVolume(ctx context.Context, name string) error
	CreateNetwork(ctx context.Context, raw json.RawMessage) (string, error)
	CreateContainerFromInspect(ctx context.Context, raw json.RawMessage) (string, []string, error)
	RemoveContainer(ctx context.Context, id string) error
	LoadImage(ctx context.Context, r io.Reader) (engine.LoadResult, error)
	Tag(ctx context.Context, image, ref string) error
	Start(ctx context.Context, id string) error
}

// ImageSource is where images are exported from.
type ImageSource interface {
	SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error)
	RawImageConfig(ctx context.Context, id string) ([]byte, error)
	SpoolRoom(ctx context.Context) (engine.Room, error)
}

// Agents start helper containers on the engine's machine; see agent.Launcher.
type Agents interface {
	Start(ctx context.Context, mounts []engine.AgentMount, write bool) (*agent.Helper, error)
}

// VolumeCopier reads and writes one volume as archives of tar.
type VolumeCopier interface {
	Read(ctx context.Context) (io.ReadCloser, error)
	Write(ctx context.Context, archive io.Reader) error
	Close(ctx context.Context) error
}

func (e *Env) reporter() Reporter {
	if e.Reporter == nil {
		return NoReporter{}
	}
	return e.Reporter
}

// mount mounts a volume as Mount does.
func (e *Env) mount(ctx context.Context, volume string) (*agent.Mounted, error) {
	if e.Mount == nil {
		return nil, fmt.Errorf("mount volume %s: no helper containers are made here", volume)
	}
	m, err := e.Mount(ctx, volume)
	if err != nil {
		return nil, fmt.Errorf("mount volume %s: %w", volume, err)
	}
	return m, nil
}
