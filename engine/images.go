package engine

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Images inspects all images, tagged or dangling, sorted by id; not the steps of builds.
func (e *Engine) Images(ctx context.Context) ([]Image, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, e.wrap(err, "list images")
	}
	ids := make([]string, 0, len(list))
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	return inspectAll(ctx, slices.Compact(ids), e.InspectImage)
}

// InspectImage inspects one image by id, id prefix or reference.
func (e *Engine) InspectImage(ctx context.Context, ref string) (Image, error) {
	var raw bytes.Buffer
	doc, err := e.api.ImageInspect(ctx, ref, client.ImageInspectWithRawResponse(&raw))
	if err != nil {
		return Image{}, e.wrap(err, "inspect image %s", ref)
	}
	img := Image{
		ID: doc.ID, Tags: sorted(withTag(doc.RepoTags)), Digests: sorted(doc.RepoDigests),
		Size: doc.Size, DiffIDs: doc.RootFS.Layers, OS: doc.Os, Arch: doc.Architecture, Raw: raw.Bytes(),
	}
	if doc.Config != nil {
		img.Labels = doc.Config.Labels
	}
	return img, nil
}

// withTag leaves out name@sha256:…, which engines with containerd's store list among the tags of an image that was pulled
// so: it is a digest, and no engine can be told to give an image such a name.
func withTag(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "@") })
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// Tag gives an image one more name.
func (e *Engine) Tag(ctx context.Context, ref, name string) error {
	return e.wrap(e.api.ImageTag(ctx, ref, name), "tag image %s as %s", ref, name)
}

// Untag removes a name. With its last name an image goes as well, unless a container or
// another image uses it; its parents stay.
func (e *Engine) Untag(ctx context.Context, name string) error {
	_, err := e.api.ImageRemove(ctx, name, image.RemoveOptions{PruneChildren: false})
	return e.wrap(err, "untag image %s", name)
}
