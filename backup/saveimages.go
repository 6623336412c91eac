package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"davit/backup/archive"
	"davit/backup/repo"
)

// saveImages saves the images of a plan: those that the engine need not export, then the rest in as
// few exports as its spool allows, because layers that images share are then sent once.
func (r *createRun) saveImages(ctx context.Context) error {
	var together []*plannedImage
	done := map[*plannedImage]bool{}
	for i := range r.plan.Items {
		it := &r.plan.Items[i]
		if it.image == nil {
			continue
		}
		if it.Failure != "" {
			if err := r.fail(ctx, it, errors.New(it.Failure)); err != nil {
				return err
			}
			continue
		}
		if done[it.image] {
			continue
		}
		done[it.image] = true
		if it.image.exported() && !it.image.alone {
			r.progress.expect(int64(it.image.size))
			together = append(together, it.image)
			continue
		}
		if err := r.saveImage(ctx, it.image); err != nil {
			return err
		}
	}
	return r.exportImages(ctx, together)
}

// saveImage saves one image by the way that its plan names.
func (r *createRun) saveImage(ctx context.Context, img *plannedImage) error {
	begin := r.env.Now()
	switch {
	case img.stored != nil:
		r.addImage(img, *img.stored, imageCost{reused: true})
		return nil
	case img.config != nil:
		store := r.session.NewItemStore()
		item, err := archive.BuildWithoutExport(ctx, store, img.config, img.want)
		if err == nil {
			item.Desc, err = store.Seal(ctx, item.Desc)
		}
		if err == nil {
			r.addImage(img, item, imageCost{reused: true, took: r.env.Now().Sub(begin)})
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		img.config = nil
	}
	return r.exportImages(ctx, []*plannedImage{img})
}

// imageCost is what saving an image took.
type imageCost struct {
	reused      bool
	read, store int64
	took        time.Duration
}

// exportImages has the engine export images in one stream. When that fails as a whole, each is tried by
// itself, so that one broken image does not cost the others.
func (r *createRun) exportImages(ctx context.Context, images []*plannedImage) error {
	if len(images) == 0 {
		return nil
	}
	if err := r.checkRoom(); err != nil {
		return err
	}
	r.env.reporter().Item(exportTitle(images))
	begin := r.env.Now()
	result, err := r.export(ctx, images)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if result == nil && len(images) > 1 {
		for _, img := range images {
			if err := r.exportImages(ctx, []*plannedImage{img}); err != nil {
				return err
			}
		}
		return nil
	}
	cost := imageCost{took: r.env.Now().Sub(begin)}
	found := map[string]archive.ImageItem{}
	if result != nil {
		cost.read, cost.store = result.BytesRead, result.NewBytes
		for _, item := range result.Images {
			found[item.ID] = item
		}
	}
	for _, img := range images {
		item, ok := found[img.want.ID]
		if !ok {
			if err := r.failExport(ctx, img, err); err != nil {
				return err
			}
			continue
		}
		r.addImage(img, item, cost)
		cost = imageCost{} // what the stream cost is counted once
	}
	return nil
}

func exportTitle(images []*plannedImage) string {
	if len(images) == 1 {
		return FormatItem(KindImage, images[0].name())
	}
	return fmt.Sprintf("%d images", len(images))
}

func (i *plannedImage) name() string {
	if len(i.want.Tags) > 0 {
		return i.want.Tags[0]
	}
	return i.want.ID
}

// export streams images from the engine into the repository.
func (r *createRun) export(ctx context.Context, images []*plannedImage) (_ *archive.ImportResult, err error) {
	refs := make([]string, len(images))
	o := archive.ImportOptions{
		Kind: archive.StoreKind(r.plan.Engine.Store), Platform: r.plan.platform, Level: r.plan.Options.Compression.level(),
	}
	for i, img := range images {
		refs[i] = img.want.ID
		o.Want = append(o.Want, img.want)
	}
	stream, err := r.env.Engine.SaveImages(ctx, refs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	store := r.session.NewItemStore()
	result, err := archive.Import(ctx, store, &countingReader{r: stream, add: r.env.reporter().Add}, o)
	if result == nil {
		return nil, err
	}
	for i := range result.Images {
		desc, sealErr := store.Seal(ctx, result.Images[i].Desc)
		if sealErr != nil {
			return nil, sealErr
		}
		result.Images[i].Desc = desc
	}
	return result, err
}

// failExport notes why an image was not taken, with its own reason where the stream had one.
func (r *createRun) failExport(ctx context.Context, img *plannedImage, err error) error {
	if err == nil {
		err = errors.New("the engine's archive does not hold it")
	}
	for i := range r.plan.Items {
		if r.plan.Items[i].image == img {
			if err := r.fail(ctx, &r.plan.Items[i], imageReason(img, err)); err != nil {
				return err
			}
		}
	}
	return nil
}

// imageReason picks the error that is about this image out of a joined one.
func imageReason(img *plannedImage, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	for _, e := range joined.Unwrap() {
		var imgErr *archive.ImageError
		if errors.As(e, &imgErr) && (imgErr.Image == img.want.ID || imgErr.Image == img.name()) {
			return e
		}
	}
	return err
}

// addImage makes an item of an image for each of its tags.
func (r *createRun) addImage(img *plannedImage, stored archive.ImageItem, cost imageCost) {
	for i := range r.plan.Items {
		it := &r.plan.Items[i]
		if it.image != img {
			continue
		}
		tagged := stored
		tagged.Tags = nil
		if len(img.want.Tags) > 0 {
			tagged.Tags = []string{it.Name}
		}
		a := tagged.Annotations()
		annotator(a).number(annBytes, int64(img.size))
		a[repo.AnnotationTags] = joinTags(tagged.Tags)
		r.items = append(r.items, repo.Item{Kind: it.Kind, Name: it.Name, Desc: stored.Desc, Annotations: a})
		r.report.add(ItemReport{
			Kind: it.Kind, Name: it.Name, Saved: true, Consistent: true, Bytes: int64(img.size),
			BytesRead: cost.read, BytesNew: cost.store, Stored: cost.store, Reused: cost.reused,
			Seconds: cost.took.Seconds(),
		})
		cost = imageCost{reused: cost.reused}
	}
}
