package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"davit/engine/hostfs"
)

// Sources are where facts come from. Each function may fail or be slow; none changes anything.
type Sources struct {
	Now          func() time.Time
	Root         bool
	StateDir     string
	CacheDir     string
	Engine       func(context.Context) Engine
	Systemd      func(context.Context) Systemd
	Config       func() Config
	Repositories func(context.Context) []Repository // without Free and Nodes
	Clock        func() Clock
	Left         func(context.Context) Left
	Drill        func(context.Context) Drill // nil: nobody keeps count of drills
}

// Gather reads the facts. It takes as long as its sources do.
func Gather(ctx context.Context, s Sources) Facts {
	f := Facts{
		Now: s.Now(), Root: s.Root, Engine: s.Engine(ctx), Systemd: s.Systemd(ctx), Config: s.Config(),
		Repository: s.Repositories(ctx), Clock: s.Clock(), Left: s.Left(ctx),
		Folders: []Folder{folderAt(s.StateDir, "state"), folderAt(s.CacheDir, "cache")},
	}
	if s.Drill != nil {
		d := s.Drill(ctx)
		f.Drill = &d
	}
	for i := range f.Repository {
		r := &f.Repository[i]
		if r.Err != nil || r.Remote {
			continue
		}
		if r.Free, r.Nodes, r.Err = hostfs.Space(r.Path); r.Err != nil {
			r.Err = fmt.Errorf("look at repository %s: %w", r.Path, r.Err)
		}
	}
	return f
}

// folderAt looks at a folder; one that does not exist yet is judged by the nearest that does.
func folderAt(path, use string) Folder {
	d := Folder{Path: path, Use: use, Mode: 0o700}
	there := path
	for {
		info, err := os.Stat(there)
		switch {
		case errors.Is(err, fs.ErrNotExist) && filepath.Dir(there) != there:
			there = filepath.Dir(there)
			continue
		case err != nil:
			d.Err = fmt.Errorf("look at %s folder: %w", use, err)
		case !info.IsDir():
			d.Err = fmt.Errorf("%s is no folder", there)
		default:
			d.Err = mayWrite(there, use)
			if there == path {
				d.Mode = uint32(info.Mode().Perm())
			}
		}
		break
	}
	if d.Err == nil {
		d.Free, d.Nodes, d.Err = hostfs.Space(there)
	}
	return d
}
