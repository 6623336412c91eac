package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/hostfs"
)

// ArchiveJob is the job that archives are filed under: "latest", retention and status of backups leave it alone.
const ArchiveJob = repo.JobPruneArchive

// Repository is an Archiver that keeps objects in a davit repository: shared layers once, containers with what they
// wrote into their own file system.
type Repository struct {
	Env      *backup.Env // with the repository and the engine
	DataRoot string      // of the engine, to see whether the archive is on the disk that is to be freed
}

// Archive implements Archiver.
func (r *Repository) Archive(ctx context.Context, objects []Object, bytes int64) (string, map[Ref]bool, map[Ref]string, error) {
	if err := r.room(bytes); err != nil {
		return "", nil, nil, err
	}
	env := *r.Env
	env.Engine = layered{r.Env.Engine, upperDirs(objects)}
	plan, err := backup.PlanCreate(ctx, &env, backup.CreateOptions{
		Selection: selection(objects), Consistency: backup.ConsistencyLive, Job: ArchiveJob,
		// Engine 28 never lets go of a layer that two images of one export share, until it restarts: removing them
		// would free nothing.
		ExportAlone: true,
	})
	if err != nil {
		return "", nil, nil, err
	}
	wanted := map[string]*Object{}
	for i := range objects {
		for _, name := range itemsOf(&objects[i]) {
			wanted[name] = &objects[i]
		}
	}
	plan.Items = slices.DeleteFunc(plan.Items, func(it backup.PlannedItem) bool { return wanted[it.Ref()] == nil })
	report, err := backup.ApplyCreate(ctx, &env, plan)
	var partial *backup.PartialError
	if err != nil && !errors.As(err, &partial) {
		return "", nil, nil, err
	}
	return r.verified(ctx, &env, report, objects, wanted)
}

// verified reads the snapshot back and says which objects are in it whole.
func (r *Repository) verified(ctx context.Context, env *backup.Env, report *backup.Report, objects []Object, wanted map[string]*Object) (string, map[Ref]bool, map[Ref]string, error) {
	problems := map[Ref]string{}
	trouble := func(item, reason string) {
		if o := wanted[item]; o != nil && problems[o.Ref] == "" {
			problems[o.Ref] = reason
		}
	}
	for _, p := range report.Problems {
		trouble(p.Item, p.Reason)
	}
	check, err := backup.Verify(ctx, env, backup.VerifyOptions{Spec: report.Snapshot, ReadData: true})
	if err != nil {
		return "", nil, nil, fmt.Errorf("verify: %w", err)
	}
	for _, d := range check.Damaged {
		for _, h := range d.Hits {
			trouble(h.Item, "its archive is damaged: "+d.Reason)
		}
	}
	there := map[string]bool{}
	for _, it := range report.Items {
		there[it.Ref()] = it.Saved
	}
	saved := map[Ref]bool{}
	for i := range objects {
		o := &objects[i]
		for _, item := range itemsOf(o) {
			if !there[item] {
				trouble(item, "it is not in the archive")
			}
		}
		saved[o.Ref] = problems[o.Ref] == ""
	}
	return report.Snapshot, saved, problems, nil
}

// room refuses to fill the disk that is to be freed.
func (r *Repository) room(bytes int64) error {
	if !r.Env.Repo.Local() || !hostfs.SameFileSystem(r.Env.Repo.Dir(), r.DataRoot) {
		return nil // the backup itself looks whether there is room
	}
	space, err := ReadSpace(r.Env.Repo.Dir())
	if err == nil && uint64(bytes) > space.Free {
		return fmt.Errorf("%s lies on the disk that is to be freed, and what is to be archived does not fit there: about %d bytes, %d are free",
			r.Env.Repo.Dir(), bytes, space.Free)
	}
	return err
}

// Expire implements Archiver. The newest archive stays whatever its age. The space comes back with this and later runs of gc.
func (r *Repository) Expire(ctx context.Context, before time.Time) ([]string, error) {
	gone, err := r.Env.Repo.Forget(ctx, func(all []repo.Snapshot) ([]string, error) {
		var own, old []string // newest first
		for _, s := range all {
			if s.Job != ArchiveJob || s.Host != r.Env.Host {
				continue
			}
			if own = append(own, s.ID); len(own) > 1 && s.Time.Before(before) {
				old = append(old, s.ID)
			}
		}
		return old, nil
	})
	if err != nil {
		return gone, err
	}
	_, err = r.Env.Repo.GC(ctx, repo.GCOptions{Grace: repo.DefaultGrace})
	var busy *repo.LockedError
	if errors.As(err, &busy) { // somebody else does it
		err = nil
	}
	return gone, err
}

// Close closes the repository.
func (r *Repository) Close() error { return r.Env.Repo.Close() }

// selection names objects as a backup does.
func selection(objects []Object) backup.Selection {
	s := backup.Selection{RWLayers: true}
	for _, o := range objects {
		switch o.Kind {
		case Image:
			s.Images = append(s.Images, o.ID)
		case Volume:
			s.Volumes = append(s.Volumes, o.ID)
		case Container:
			s.Containers = append(s.Containers, o.ID)
		}
	}
	s.NoImages = len(s.Images) == 0
	return s
}

// itemsOf are the items that an object is saved as.
func itemsOf(o *Object) []string {
	switch o.Kind {
	case Image:
		if len(o.Tags) == 0 {
			return []string{backup.FormatItem(backup.KindImage, o.ID)}
		}
		var list []string
		for _, t := range o.Tags {
			list = append(list, backup.FormatItem(backup.KindImage, t))
		}
		return list
	case Volume:
		return []string{backup.FormatItem(backup.KindVolume, o.ID), backup.FormatItem(backup.KindDefinition, "volume/"+o.ID)}
	case Container:
		return []string{backup.FormatItem(backup.KindContainer, o.Name), backup.FormatItem(backup.KindRWLayer, o.Name)}
	}
	return nil
}

// layered tells where writable layers are that the engine does not tell.
type layered struct {
	backup.Engine
	upper map[string]string
}

func upperDirs(objects []Object) map[string]string {
	upper := map[string]string{}
	for _, o := range objects {
		if o.Kind == Container {
			upper[o.ID] = o.Path
		}
	}
	return upper
}

func (l layered) fill(list []engine.Container, err error) ([]engine.Container, error) {
	for i := range list {
		if list[i].UpperDir == "" {
			list[i].UpperDir = l.upper[list[i].ID]
		}
	}
	return list, err
}

func (l layered) Containers(ctx context.Context) ([]engine.Container, error) {
	return l.fill(l.Engine.Containers(ctx))
}

func (l layered) ContainersSized(ctx context.Context) ([]engine.Container, error) {
	return l.fill(l.Engine.Containers(ctx)) // measuring all containers would take long, and nobody asks
}

// layerItem finds the writable layer of a container in a snapshot.
func layerItem(snap repo.Snapshot, name string) (repo.Item, bool) {
	return snap.Find(backup.KindRWLayer, strings.TrimPrefix(name, "/"))
}
