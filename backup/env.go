package backup

import (
	"context"
	"io"
	"time"

	"davit/backup/repo"
	"davit/engine"
)

// Env is what a run gets from the process it runs in. Repo is needed by everything but
// PlanCreate, which uses it only to keep the repository out of its own backup.
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
}

// Engine is the part of engine.Engine that a backup needs. An Engine that holds a nil pointer is
// not the same as none: leave Env.Engine unset.
type Engine interface {
	Endpoint() string
	Info(ctx context.Context) (engine.Info, error)
	Local(ctx context.Context) (bool, string)
	Containers(ctx context.Context) ([]engine.Container, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
	Images(ctx context.Context) ([]engine.Image, error)
	Networks(ctx context.Context) ([]engine.Network, error)
}

func (e *Env) reporter() Reporter {
	if e.Reporter == nil {
		return NoReporter{}
	}
	return e.Reporter
}
