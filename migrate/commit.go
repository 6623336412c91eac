package migrate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"davit/engine"
	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// Commitment is what a commit did with the old roots.
type Commitment struct {
	ID    string   `json:"id"`
	Aside []string `json:"aside"` // where the old roots are now
	Gone  []string `json:"deleted"`
}

// Commit gives the old roots up: it renames them aside, or deletes them. It refuses while anything uses them.
func Commit(ctx context.Context, stateDir string, now func() time.Time, e Engine, deleteOld bool) (*Commitment, error) {
	j, err := openJournal(stateDir, now)
	if err != nil {
		return nil, err
	}
	defer j.close()
	if j.state == nil {
		return nil, ErrNone
	}
	if j.state.Outcome == Committed && !deleteOld {
		return nil, fmt.Errorf("migration %s is committed already; --delete-old deletes what was put aside", j.state.Plan.ID)
	}
	if j.state.Outcome != Done && j.state.Outcome != Committed {
		return nil, fmt.Errorf("commit: migration %s is not done", j.state.Plan.ID)
	}
	if err := onNewRoots(ctx, e, &j.state.Plan); err != nil {
		return nil, err
	}
	c := &Commitment{ID: j.state.Plan.ID}
	for _, s := range j.state.Plan.Survey.Stores {
		if err := c.commit(ctx, s, e, deleteOld); err != nil {
			return nil, err
		}
	}
	j.state.Outcome = Committed
	return c, j.save()
}

// onNewRoots makes sure that the engine works where the migration has put it.
func onNewRoots(ctx context.Context, e Engine, p *Plan) error {
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	if s, ok := p.store(preflight.StoreDataRoot); ok && info.DataRoot != endsUp(s, p.Survey.Engine) {
		return fmt.Errorf("commit: the engine works on %s, not on %s", info.DataRoot, s.To)
	}
	if s, ok := p.store(preflight.StoreContainerd); ok && info.ContainerdRoot != s.To {
		return fmt.Errorf("commit: containerd works on %s, not on %s", info.ContainerdRoot, s.To)
	}
	return nil
}

func (c *Commitment) commit(ctx context.Context, s preflight.Store, e Engine, deleteOld bool) error {
	aside := s.From + ".davit-old-" + c.ID
	path := s.From
	if _, err := os.Lstat(aside); err == nil {
		path = aside
	} else if empty(s.From) {
		return nil // renamed to the new place, or gone already
	}
	if err := unused(path); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := noBindSources(ctx, e, s.From); err != nil {
		return err
	}
	if path != aside {
		if err := os.Rename(s.From, aside); err != nil {
			return fmt.Errorf("commit: put the old root aside: %w", err)
		}
		if err := hostfs.SyncDir(filepath.Dir(aside)); err != nil {
			return err
		}
	}
	if !deleteOld {
		c.Aside = append(c.Aside, aside)
		return nil
	}
	if err := hostfs.RemoveTree(aside); err != nil {
		return fmt.Errorf("commit: delete the old root: %w", err)
	}
	c.Gone = append(c.Gone, s.From)
	return nil
}

// noBindSources refuses while a container, running or not, has a bind mount from inside the old root.
func noBindSources(ctx context.Context, e Engine, root string) error {
	all, err := e.Containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if m, ok := bindIn(c, root); ok {
			return fmt.Errorf("commit: %w", &InUseError{Path: root, Uses: []string{
				fmt.Sprintf("container %s has a bind mount of %s", c.Name, m)}})
		}
	}
	return nil
}

func bindIn(c engine.Container, root string) (string, bool) {
	for _, m := range c.Mounts {
		if m.Type == "bind" && (m.Source == root || strings.HasPrefix(m.Source, root+"/")) {
			return m.Source, true
		}
	}
	return "", false
}
