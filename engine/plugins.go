package engine

import (
	"cmp"
	"context"
	"slices"

	"github.com/docker/docker/api/types/filters"
)

// Plugin is a plugin that the engine manages itself.
type Plugin struct {
	ID, Name string
	Enabled  bool
}

// Plugins lists them, sorted by name.
func (e *Engine) Plugins(ctx context.Context) ([]Plugin, error) {
	list, err := e.api.PluginList(ctx, filters.Args{})
	if err != nil {
		return nil, e.wrap(err, "list plugins")
	}
	var all []Plugin
	for _, p := range list {
		all = append(all, Plugin{ID: p.ID, Name: p.Name, Enabled: p.Enabled})
	}
	slices.SortFunc(all, func(a, b Plugin) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}
