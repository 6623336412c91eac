package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"davit/backup/archive"
	"davit/backup/repo"
)

// loadImage loads an image into the engine. The first one loads all that the plan holds, in one archive:
// layers that they share are sent once. Where that fails, each is loaded by itself.
func (r *restoreRun) loadImage(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	if !r.loaded {
		r.loaded = true
		// Where this fails, the loads one by one say why.
		_ = r.load(ctx, r.imageSteps())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	id, err := r.loadedID(ctx, step)
	if err != nil {
		return err
	}
	if id == "" {
		if err := r.load(ctx, []*RestoreStep{step}); err != nil {
			return err
		}
		if id, err = r.loadedID(ctx, step); err != nil {
			return err
		}
	}
	if id == "" {
		return errors.New("the engine says it loaded the archive, but does not have the image")
	}
	rep.Result = id
	if id != step.image.ID {
		rep.addNote("its id was " + step.image.ID + " in the engine it came from")
	}
	return nil
}

func (r *restoreRun) imageSteps() []*RestoreStep {
	var steps []*RestoreStep
	for i := range r.plan.Steps {
		if r.plan.Steps[i].Action == ActionLoadImage {
			steps = append(steps, &r.plan.Steps[i])
		}
	}
	return steps
}

func exportImage(img archive.ImageItem) archive.ExportImage {
	return archive.ExportImage{Desc: img.Desc, Tags: img.Tags, Absent: img.Absent}
}

// exportImages is the archive of images as their repository holds them, encrypted or not.
func exportImages(ctx context.Context, r *repo.Repository, images []archive.ExportImage, o archive.ExportOptions) (io.ReadCloser, error) {
	items := r.NewItemReader()
	for i := range images {
		desc, err := items.Open(ctx, images[i].Desc)
		if err != nil {
			return nil, err
		}
		images[i].Desc = desc
	}
	return archive.Export(ctx, items, images, o)
}

// load sends images to the engine in one archive. Items of one image become one with all their tags.
func (r *restoreRun) load(ctx context.Context, steps []*RestoreStep) error {
	var images []archive.ExportImage
	for _, s := range steps {
		same := func(e archive.ExportImage) bool { return e.Desc.Digest == s.image.Desc.Digest }
		if i := slices.IndexFunc(images, same); i >= 0 {
			images[i].Tags = append(images[i].Tags, s.image.Tags...)
			continue
		}
		e := exportImage(*s.image)
		e.Tags = slices.Clone(e.Tags)
		images = append(images, e)
	}
	return LoadImages(ctx, r.env, images)
}

// LoadImages loads images of the repository into the engine in one archive, under the tags that they are given.
func LoadImages(ctx context.Context, env *Env, images []archive.ExportImage) (err error) {
	info, err := env.Engine.Info(ctx)
	if err != nil {
		return err
	}
	stream, err := exportImages(ctx, env.Repo, images, archive.ExportOptions{
		Target: loadTarget(info.ContainerdStore, info.Version), Platform: platform(info),
	})
	if err != nil {
		return err
	}
	defer closing(stream, &err)
	if _, err := env.Engine.LoadImage(ctx, &countingReader{r: stream, add: env.reporter().Add}); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// loadTarget is the form of archive that an engine loads.
func loadTarget(containerd bool, version string) archive.Target {
	const firstWithZstd = 23
	switch {
	case containerd:
		return archive.TargetContainerd
	case majorVersion(version) >= firstWithZstd:
		return archive.TargetGraphZstd
	}
	return archive.TargetGraph
}

// majorVersion is 0 for a version that does not begin with a number: then the engine is taken
// for an old one.
func majorVersion(version string) int {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

// loadedID is the id of the image that a step is about, "" when the engine does not have it.
func (r *restoreRun) loadedID(ctx context.Context, step *RestoreStep) (string, error) {
	images, err := r.env.Engine.Images(ctx)
	if err != nil {
		return "", fmt.Errorf("list images: %w", err)
	}
	for _, here := range images {
		if slices.Contains(here.Tags, step.Target) || here.ID == step.image.ID && len(step.image.Tags) == 0 {
			return here.ID, nil
		}
	}
	return "", nil
}
