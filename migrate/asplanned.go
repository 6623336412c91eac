package migrate

import (
	"context"
	"fmt"

	"davit/engine/daemonjson"
	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// ChangedError means that the host is no longer what the plan was made for: hours may have gone by, or a boot.
type ChangedError struct{ What string }

func (e *ChangedError) Error() string {
	return "since the plan was made, " + e.What + "; davit migrate run makes a new one"
}

// asPlanned makes sure that the engine, its configuration and what is mounted at boot are as they were when the plan was made.
func (r *work) asPlanned(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	info, err := r.engine.Info(ctx)
	if err != nil {
		return err
	}
	was := r.state.Plan.Survey.Engine
	switch {
	case info.ID != was.ID:
		return &ChangedError{"another engine answers"}
	case info.DataRoot != was.DataRoot:
		return &ChangedError{fmt.Sprintf("the engine was made to work on %s, and no longer on %s", info.DataRoot, was.DataRoot)}
	case info.Driver != was.Driver || info.ContainerdStore != was.ContainerdStore:
		return &ChangedError{fmt.Sprintf("the engine's storage driver has become %s, and was %s", info.Driver, was.Driver)}
	case info.SwarmManager && was.Swarm != "manager":
		return &ChangedError{"the engine has become manager of a swarm"}
	}
	if err := r.configAsPlanned(); err != nil {
		return err
	}
	return r.bootAsPlanned(ctx)
}

// configAsPlanned makes sure that nobody has edited daemon.json meanwhile: the engine's next start would act on that, too.
func (r *work) configAsPlanned() error {
	e := r.state.Plan.Survey.Engine
	if e.ConfigDigest == "" { // the plan of an older davit
		return nil
	}
	file, err := daemonjson.Load(e.ConfigFile)
	if err != nil {
		return err
	}
	if preflight.ConfigDigest(file) != e.ConfigDigest {
		return &ChangedError{"somebody has changed " + e.ConfigFile}
	}
	return nil
}

// bootAsPlanned makes sure that what mounts the new roots at boot is still there.
func (r *work) bootAsPlanned(ctx context.Context) error {
	for _, d := range r.state.Plan.Survey.Destinations {
		if !d.AtBoot {
			continue
		}
		still, err := preflight.MountedAtBoot(ctx, r.Manager, d.MountPoint)
		if err != nil {
			return err
		}
		if !still {
			return &ChangedError{fmt.Sprintf("what mounts %s at boot was removed", d.MountPoint)}
		}
	}
	return nil
}

// open opens the trees of a store, old and new, if its disk is still mounted: the folder below the mount is on another
// disk, perhaps the one that is to become free.
func (r *work) open(s preflight.Store) (*trees, error) {
	mounts, err := hostfs.Mounts()
	if err != nil {
		return nil, err
	}
	for _, d := range r.state.Plan.Survey.Destinations {
		if d.Path != s.To && d.Path != s.From {
			continue
		}
		m, _ := hostfs.MountOf(mounts, d.Path)
		itself := m.Point == d.Path && m.Source == d.Source // as an engine mounts its root where nothing is shared
		if m.FSType != d.FSType || m.Point != d.MountPoint && !itself {
			return nil, &ChangedError{fmt.Sprintf("what was mounted on %s (%s) has gone", d.MountPoint, d.FSType)}
		}
	}
	return openTrees(s, r.journal, r.Report)
}

// stillDown makes sure that nobody got the engine to run while its data was copied: masks can be taken away.
func (r *work) stillDown(ctx context.Context) error {
	for _, name := range r.state.Masked {
		u, err := r.services.manager.Unit(ctx, name)
		if err != nil {
			return err
		}
		if u.Up() {
			return fmt.Errorf("%s runs again: somebody has started it while the last changes were copied", name)
		}
	}
	for _, s := range r.stores() {
		if err := unused(s.From); err != nil {
			return err
		}
	}
	return nil
}
