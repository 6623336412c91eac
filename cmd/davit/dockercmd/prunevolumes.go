package dockercmd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/spf13/cobra"
)

const (
	pruneVolumesQuestion = `WARNING! This will remove anonymous local volumes not used by at least one container.
Are you sure you want to continue?`
	pruneAllVolumesQuestion = `WARNING! This will remove all local volumes not used by at least one container.
Are you sure you want to continue?`
)

// anonymousLabel is what engines from 23 put on a volume that nobody gave a name.
const anonymousLabel = "com.docker.volume.anonymous"

func (s *session) pruneVolumesCommand() *cobra.Command {
	o := &pruneOptions{filter: opts.NewFilterOpt()}
	cmd := pruneCommand("Remove unused local volumes", func(ctx context.Context) error { return s.pruneVolumes(ctx, o) })
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "Remove all unused volumes, not just anonymous ones")
	o.flags(cmd, `Provide filter values (e.g. "label=<label>")`)
	return cmd
}

func (s *session) pruneVolumes(ctx context.Context, o *pruneOptions) error {
	f, err := s.readFilter(o, "all")
	if err != nil {
		return err
	}
	if o.all && f.args.Contains("all") {
		return errors.New("conflicting options: cannot specify both --all and --filter all=1")
	}
	all, err := f.args.GetBoolOrDefault("all", o.all)
	if err != nil {
		return err
	}
	question := pruneVolumesQuestion
	if o.all {
		question = pruneAllVolumesQuestion
	}
	return s.prune(ctx, prune{name: "volume prune", question: question, total: true, options: o,
		brooms: []broom{&volumeBroom{session: s, filter: f, named: all}}})
}

// volumeBroom removes local volumes that no container has, running or not. Those without the label of anonymous
// volumes go only when named ones are asked for: older engines put it on none.
type volumeBroom struct {
	*session
	filter filter
	named  bool
	before *containerBroom // its containers do not count
}

func (b *volumeBroom) choose(ctx context.Context) ([]prunable, error) {
	all, err := b.engine().VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, err
	}
	staying, err := b.staying(ctx, b.before)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, c := range staying {
		for _, m := range c.Mounts {
			used[m.Name] = true
		}
	}
	sizes := b.sizes(ctx)
	var chosen []prunable
	for _, v := range all.Volumes {
		if v.Driver != "local" || used[v.Name] || !b.takes(*v) {
			continue
		}
		size, known := sizes[v.Name]
		if !known {
			size = -1
		}
		chosen = append(chosen, prunable{kind: "volume", id: v.Name, name: v.Name, size: size, made: v.CreatedAt})
	}
	return chosen, nil
}

func (b *volumeBroom) takes(v volume.Volume) bool {
	_, anonymous := v.Labels[anonymousLabel]
	return (anonymous || b.named) && b.filter.takes(time.Time{}, v.Labels)
}

// sizes asks the engine to measure its volumes. It does not measure those it has to mount first, and says no to a
// second request at the same time.
func (b *volumeBroom) sizes(ctx context.Context) map[string]int64 {
	sizes := map[string]int64{}
	usage, err := b.engine().DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return sizes
	}
	for _, v := range usage.Volumes {
		if v.UsageData != nil && v.UsageData.Size >= 0 {
			sizes[v.Name] = v.UsageData.Size
		}
	}
	return sizes
}

func (b *volumeBroom) remove(ctx context.Context, chosen []prunable) (string, int64) {
	var said strings.Builder
	freed := int64(0)
	for _, p := range chosen {
		if err := b.removeOne(ctx, p); err != nil {
			b.kept(p, err)
			continue
		}
		said.WriteString(p.id + "\n")
		freed += max(p.size, 0)
	}
	return headed("Deleted Volumes:\n", said.String()), freed
}

// removeOne removes a volume if it is still the one that was chosen. The engine refuses one that is used by now.
func (b *volumeBroom) removeOne(ctx context.Context, p prunable) error {
	v, err := b.engine().VolumeInspect(ctx, p.id)
	if err != nil {
		return err
	}
	if v.CreatedAt != p.made || !b.takes(v) {
		return errChanged
	}
	return b.engine().VolumeRemove(ctx, p.id, false)
}

// imagesInUse returns the ids of the images that containers were made from.
func imagesInUse(containers []container.Summary) map[string]bool {
	used := map[string]bool{}
	for _, c := range containers {
		used[c.ImageID] = true
	}
	return used
}
