package backup

import (
	"context"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/archive"
	"davit/backup/repo"
	"davit/engine"
)

// spoolMargin is kept free on the file system where the engine spools an export.
const spoolMargin = 256 << 20

// plannedImage is how one image gets into the repository. Several items share it: one for each tag.
type plannedImage struct {
	want   archive.Want
	size   uint64
	stored *archive.ImageItem // already there, as an earlier snapshot has it
	config []byte             // its layers are there, and this is its config
	alone  bool               // to be exported by itself: the engine has no room for all at once
}

// exported reports whether the engine has to export the image.
func (i *plannedImage) exported() bool { return i.stored == nil && i.config == nil }

// storeKind is the kind of image store that an engine has.
func storeKind(info engine.Info) string {
	if info.ContainerdStore {
		return string(archive.Containerd)
	}
	return string(archive.Graph)
}

// keepsSharedLayers tells whether one export of several images makes the engine hold the layers that they
// share until it restarts, so that removing the images frees nothing. Seen on 28.5 with overlay2, with
// docker's own save too; 20.10 and the containerd store let go.
func keepsSharedLayers(info engine.Info) bool {
	const firstWithLayout = 25 // save writes an OCI layout from here on
	return !info.ContainerdStore && majorVersion(info.Version) >= firstWithLayout
}

// addImages adds the chosen images and decides which of them need no export.
func (b *planBuilder) addImages(ctx context.Context, env *Env) error {
	if len(b.chosen.images) == 0 {
		return nil
	}
	stored, err := b.imagesInRepository(ctx, env)
	if err != nil {
		return err
	}
	var exports []*plannedImage
	for _, img := range b.inv.images {
		if !b.chosen.images[img.ID] {
			continue
		}
		p := &plannedImage{
			want: archive.Want{ID: img.ID, Tags: img.Tags, RepoDigests: img.Digests},
			size: uint64(max(img.Size, 0)), alone: b.options.ExportAlone || keepsSharedLayers(b.inv.info),
		}
		if err := b.avoidExport(ctx, env, p, img, stored); err != nil {
			return err
		}
		if p.exported() {
			exports = append(exports, p)
		}
		b.addImageItems(img, p)
	}
	b.noteMissingImages()
	return b.checkSpool(ctx, env.Engine, exports)
}

// addImageItems adds an item for each tag, or one named by the id.
func (b *planBuilder) addImageItems(img engine.Image, p *plannedImage) {
	tags := img.Tags
	if len(tags) == 0 {
		tags = []string{img.ID}
	}
	for _, tag := range tags {
		it := PlannedItem{Kind: KindImage, Name: tag, Bytes: img.Size, Group: -1, image: p}
		if !p.exported() {
			it.Note = "already in the repository"
		}
		b.plan.Items = append(b.plan.Items, it)
	}
}

// noteMissingImages names containers whose image the engine has lost.
func (b *planBuilder) noteMissingImages() {
	there := map[string]bool{}
	for _, img := range b.inv.images {
		there[img.ID] = true
	}
	for _, c := range b.chosen.sortedContainers() {
		if c.ImageID != "" && !there[c.ImageID] {
			b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("image %s of container %s is not on this host any more", c.Image, c.Name))
		}
	}
}

// imagesInRepository is the images that snapshots hold, by store kind and id.
func (b *planBuilder) imagesInRepository(ctx context.Context, env *Env) (map[string]archive.ImageItem, error) {
	images := map[string]archive.ImageItem{}
	if env.Repo == nil {
		return images, nil
	}
	items, err := storedImages(ctx, env.Repo, env.Host)
	if err != nil {
		return nil, err
	}
	for _, img := range knownImages(env, items) {
		key := string(img.Kind) + " " + img.ID
		if _, ok := images[key]; !ok {
			images[key] = img
		}
	}
	return images, nil
}

// avoidExport looks for a way to save an image without the engine's help: it is in the repository
// already, or all its layers are and its config can be read.
func (b *planBuilder) avoidExport(ctx context.Context, env *Env, p *plannedImage, img engine.Image, stored map[string]archive.ImageItem) error {
	kind := storeKind(b.inv.info)
	if item, ok := stored[kind+" "+img.ID]; ok {
		whole, err := imageWhole(ctx, env.Repo, item)
		if err != nil {
			return err
		}
		if whole {
			p.stored = &item
			return nil
		}
	}
	if env.Repo == nil || kind != string(archive.Graph) || !layersStored(env.Repo, img.DiffIDs) {
		return nil
	}
	config, err := env.Engine.RawImageConfig(ctx, img.ID)
	if err == nil {
		p.config = config
	}
	return nil // without the config, the engine exports the image
}

func layersStored(r *repo.Repository, diffIDs []string) bool {
	for _, id := range diffIDs {
		d, err := repo.ParseDigest(id)
		if err != nil {
			return false
		}
		if !r.HasContent(d) {
			return false
		}
	}
	return len(diffIDs) > 0
}

// imageWhole reports whether all blobs of a stored image are there with their length. A
// damaged manifest means no: the image is then exported again.
func imageWhole(ctx context.Context, r *repo.Repository, item archive.ImageItem) (bool, error) {
	absent := map[string]bool{}
	for _, d := range item.Absent {
		absent[d] = true
	}
	whole := true
	err := walkImage(ctx, r, item.Desc, func(desc ocispec.Descriptor) error {
		if absent[desc.Digest.String()] {
			return errSkipBlob
		}
		d, err := repo.ParseDigest(desc.Digest.String())
		if err != nil {
			return err
		}
		size, ok, err := r.HasFile(ctx, d)
		if err != nil {
			return err
		}
		if !ok || size != desc.Size {
			whole = false
			return errSkipBlob
		}
		return nil
	})
	var damaged *repo.DamagedError
	if errors.As(err, &damaged) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at image %s: %w", item.ID, err)
	}
	return whole, nil
}

// checkSpool makes sure that the engine has room for the exports: engines with a graph driver write
// an export to disk in full before they send the first byte.
func (b *planBuilder) checkSpool(ctx context.Context, eng ImageSource, exports []*plannedImage) error {
	if len(exports) == 0 || !b.inv.local || b.inv.info.ContainerdStore {
		return nil
	}
	room, err := eng.SpoolRoom(ctx)
	if err != nil {
		return fmt.Errorf("look where the engine spools images: %w", err)
	}
	if !room.Spools {
		return nil
	}
	var total uint64
	for _, img := range exports {
		total += img.size
	}
	if total+spoolMargin <= room.Free {
		return nil
	}
	for _, img := range exports {
		img.alone = true
		if img.size+spoolMargin > room.Free {
			b.failImage(img, fmt.Sprintf("the engine needs %d bytes in %s to export it, and %d are free",
				img.size+spoolMargin, room.Path, room.Free))
		}
	}
	return nil
}

func (b *planBuilder) failImage(img *plannedImage, reason string) {
	for i := range b.plan.Items {
		if b.plan.Items[i].image == img {
			b.plan.Items[i].Failure = reason
		}
	}
}

// platform is the engine's platform in OCI's words, nil when they are not known.
func platform(info engine.Info) *ocispec.Platform {
	p := &ocispec.Platform{OS: "linux"}
	switch info.Arch {
	case "x86_64", "amd64":
		p.Architecture = "amd64"
	case "aarch64", "arm64":
		p.Architecture = "arm64"
	case "armv7l":
		p.Architecture, p.Variant = "arm", "v7"
	case "armv6l":
		p.Architecture, p.Variant = "arm", "v6"
	case "ppc64le", "s390x", "riscv64", "loongarch64":
		p.Architecture = info.Arch
	case "i386", "i686":
		p.Architecture = "386"
	default:
		return nil
	}
	return p
}

// storedImages finds the image items of a repository's snapshots. Of an encrypted repository it takes this host's
// alone: what others say they stored, nobody has looked at.
func storedImages(ctx context.Context, r *repo.Repository, host string) ([]repo.Item, error) {
	snapshots, err := r.Snapshots(ctx)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var items []repo.Item
	for _, s := range snapshots {
		if r.Encrypted() && s.Host != host {
			continue
		}
		for _, it := range s.Items {
			if it.Kind == KindImage {
				items = append(items, it)
			}
		}
	}
	return items, nil
}
