package dockercmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/image"
	"github.com/spf13/cobra"
)

const (
	pruneAllImagesQuestion = `WARNING! This will remove all images without at least one container associated to them.
Are you sure you want to continue?`
	pruneImagesQuestion = `WARNING! This will remove all dangling images.
Are you sure you want to continue?`
)

func (s *session) pruneImagesCommand() *cobra.Command {
	o := &pruneOptions{filter: opts.NewFilterOpt()}
	cmd := pruneCommand("Remove unused images", func(ctx context.Context) error {
		f, err := s.readFilter(o, "until", "dangling")
		if err != nil {
			return err
		}
		if f.args.Contains("dangling") {
			if dangling, err := f.args.GetBoolOrDefault("dangling", !o.all); err != nil {
				return err
			} else if dangling == o.all {
				return fmt.Errorf("invalid filter 'dangling=[%t %t]'", !o.all, dangling)
			}
		}
		question := pruneImagesQuestion
		if o.all {
			question = pruneAllImagesQuestion
		}
		return s.prune(ctx, prune{name: "image prune", question: question, total: true, options: o,
			brooms: []broom{&imageBroom{session: s, filter: f, tagged: o.all}}})
	})
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "Remove all unused images, not just dangling ones")
	o.flags(cmd, `Provide filter values (e.g. "until=<timestamp>")`)
	return cmd
}

// imageBroom removes images that no container was made from. The engine's own prune is not used: on containerd's
// store it also takes the leases of pulls that are running.
type imageBroom struct {
	*session
	filter filter
	tagged bool            // those with a tag as well
	before *containerBroom // its containers do not count
}

func (b *imageBroom) choose(ctx context.Context) ([]prunable, error) {
	all, err := b.engine().ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, err
	}
	staying, err := b.staying(ctx, b.before)
	if err != nil {
		return nil, err
	}
	used, sizes := imagesInUse(staying), b.sizes(ctx)
	var chosen []prunable
	for _, i := range all {
		tags := references(i.RepoTags)
		if used[i.ID] || len(tags) > 0 && !b.tagged || !b.filter.takes(time.Unix(i.Created, 0), i.Labels) {
			continue
		}
		size, known := sizes[i.ID]
		if !known {
			size = -1
		}
		p := prunable{kind: "image", id: i.ID, name: "<none>", size: size, refs: append(tags, references(i.RepoDigests)...)}
		if len(tags) > 0 {
			p.name = strings.Join(tags, ", ")
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

// references leaves out what older engines write where there is no name.
func references(list []string) []string {
	var found []string
	for _, r := range list {
		if !strings.HasPrefix(r, "<none>") {
			found = append(found, r)
		}
	}
	return found
}

// sizes returns what each image has for itself.
func (b *imageBroom) sizes(ctx context.Context) map[string]int64 {
	sizes := map[string]int64{}
	usage, err := b.usage(ctx)
	if err != nil {
		return sizes
	}
	for _, i := range usage.Images {
		if i.SharedSize >= 0 {
			sizes[i.ID] = i.Size - i.SharedSize
		}
	}
	return sizes
}

func (b *imageBroom) usage(ctx context.Context) (types.DiskUsage, error) {
	return b.engine().DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.ImageObject}})
}

// remove says as freed what the store got smaller by: several images may share what goes.
func (b *imageBroom) remove(ctx context.Context, chosen []prunable) (string, int64) {
	if len(chosen) == 0 {
		return "", 0
	}
	before, errBefore := b.usage(ctx)
	var said strings.Builder
	for _, p := range chosen {
		for _, gone := range b.removeOne(ctx, p) {
			if gone.Untagged != "" {
				said.WriteString("untagged: " + gone.Untagged + "\n")
			} else {
				said.WriteString("deleted: " + gone.Deleted + "\n")
			}
		}
	}
	after, errAfter := b.usage(ctx)
	freed := int64(0)
	if errBefore == nil && errAfter == nil {
		freed = max(before.LayersSize-after.LayersSize, 0)
	}
	return headed("Deleted Images:\n", said.String()), freed
}

// removeOne takes each name from an image, which goes with the last one, or removes an image without a name.
func (b *imageBroom) removeOne(ctx context.Context, p prunable) []image.DeleteResponse {
	staying, err := b.staying(ctx, nil)
	if err != nil {
		b.kept(p, err)
		return nil
	}
	if imagesInUse(staying)[p.id] {
		b.kept(p, errChanged)
		return nil
	}
	if len(p.refs) == 0 {
		gone, err := b.engine().ImageRemove(ctx, p.id, image.RemoveOptions{PruneChildren: true})
		if err != nil {
			b.kept(p, err)
		}
		return gone
	}
	var all []image.DeleteResponse
	for _, ref := range p.refs {
		gone, err := b.untag(ctx, p.id, ref)
		if err != nil {
			b.kept(p, err)
			return all
		}
		all = append(all, gone...)
		if deleted(gone) {
			break
		}
	}
	return all
}

// untag takes a name from an image, after a look whether it is still that image's.
func (b *imageBroom) untag(ctx context.Context, id, ref string) ([]image.DeleteResponse, error) {
	found, err := b.engine().ImageInspect(ctx, ref)
	if err != nil {
		return nil, err
	}
	if found.ID != id {
		return nil, errChanged
	}
	return b.engine().ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
}

func deleted(gone []image.DeleteResponse) bool {
	for _, g := range gone {
		if g.Deleted != "" {
			return true
		}
	}
	return false
}
