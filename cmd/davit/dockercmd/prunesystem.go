package dockercmd

import (
	"context"
	"errors"
	"sort"
	"strings"

	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/fvbommel/sortorder"
	"github.com/spf13/cobra"
)

func (s *session) pruneSystemCommand() *cobra.Command {
	o := &pruneOptions{filter: opts.NewFilterOpt()}
	cmd := pruneCommand("Remove unused data", func(ctx context.Context) error { return s.pruneSystem(ctx, o) })
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "Remove all unused images not just dangling ones")
	cmd.Flags().BoolVar(&o.volumes, "volumes", false, "Prune anonymous volumes")
	o.flags(cmd, `Provide filter values (e.g. "label=<key>=<value>")`)
	return cmd
}

// pruneSystem takes stopped containers, then what no container uses any more. Of the volumes it takes anonymous ones
// at most, whatever --all says: that is about images.
func (s *session) pruneSystem(ctx context.Context, o *pruneOptions) error {
	if o.volumes && o.filter.Value().Contains("until") {
		return errors.New(`ERROR: The "until" filter is not supported with "--volumes"`)
	}
	f, err := s.readFilter(o, "until")
	if err != nil {
		return err
	}
	containers := &containerBroom{session: s, filter: f}
	brooms := []broom{containers, &networkBroom{session: s, filter: f}}
	if o.volumes {
		brooms = append(brooms, &volumeBroom{session: s, filter: f, before: containers})
	}
	brooms = append(brooms, &imageBroom{session: s, filter: f, tagged: o.all, before: containers},
		&cacheBroom{session: s, args: f.args, all: o.all})
	return s.prune(ctx, prune{name: "system prune", question: systemQuestion(o, f), brooms: brooms, total: true, options: o})
}

// systemQuestion is worded as docker's.
func systemQuestion(o *pruneOptions, f filter) string {
	images, cache := "all dangling images", "unused build cache"
	if o.all {
		images, cache = "all images without at least one container associated to them", "all build cache"
	}
	kinds := []string{"all stopped containers", "all networks not used by at least one container"}
	if o.volumes {
		kinds = append(kinds, "all anonymous volumes not used by at least one container")
	}
	kinds = append(kinds, images, cache)

	var b strings.Builder
	b.WriteString("WARNING! This will remove:")
	for _, k := range kinds {
		b.WriteString("\n  - " + k)
	}
	b.WriteString("\n")
	if said := f.said(); len(said) > 0 {
		b.WriteString("\n  Items to be pruned will be filtered with:")
		for _, line := range said {
			b.WriteString("\n  - " + line)
		}
		b.WriteString("\n")
	}
	b.WriteString("\nAre you sure you want to continue?")
	return b.String()
}

// said returns the filters as they are written.
func (f filter) said() []string {
	var said []string
	for _, name := range []string{"label", "label!", "until"} {
		for _, value := range f.args.Get(name) {
			said = append(said, name+"="+value)
		}
	}
	sort.Slice(said, func(i, j int) bool { return sortorder.NaturalLess(said[i], said[j]) })
	return said
}

// cacheBroom removes the build cache, whose records the engine alone knows how to order.
type cacheBroom struct {
	*session
	args filters.Args
	all  bool
}

func (b *cacheBroom) choose(ctx context.Context) ([]prunable, error) {
	usage, err := b.engine().DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.BuildCacheObject}})
	if err != nil {
		return nil, nil // this is for the eye only; the engine is asked again when it is to go
	}
	var chosen []prunable
	for _, r := range usage.BuildCache {
		if !r.InUse && (b.all || !r.Shared) {
			chosen = append(chosen, prunable{kind: "build cache", id: r.ID, name: r.Description, size: r.Size})
		}
	}
	return chosen, nil
}

func (b *cacheBroom) remove(ctx context.Context, _ []prunable) (string, int64) {
	report, err := b.engine().BuildCachePrune(ctx, build.CachePruneOptions{All: b.all, Filters: b.args})
	if err != nil {
		b.kept(prunable{kind: "build", name: "cache"}, err)
		return "", 0
	}
	var said strings.Builder
	for _, id := range report.CachesDeleted {
		said.WriteString(id + "\n")
	}
	return headed("Deleted build cache objects:\n", said.String()), int64(report.SpaceReclaimed)
}
