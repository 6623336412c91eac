package drill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"davit/engine"
)

// Removed is what was removed of a run.
type Removed struct {
	Run        string `json:"run"`
	Containers int    `json:"containers"`
	Networks   int    `json:"networks"`
	Volumes    int    `json:"volumes"`
	Images     int    `json:"images"` // scratch tags
}

// sweepLimit bounds how long is tried to remove what an engine still holds in use.
const sweepLimit = 2 * time.Minute

// sweep removes everything that a run has made. It looks again until it finds nothing twice: what was asked for just
// before the run was killed may appear a moment later.
func sweep(ctx context.Context, eng Engine, run string) (Removed, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	total, clean := Removed{Run: run}, 0
	for {
		found, err := sweepOnce(ctx, eng, run, &total)
		if err != nil && (ctx.Err() != nil || engine.IsUnreachable(err)) {
			return total, err
		}
		if found == 0 && err == nil {
			clean++
		} else {
			clean = 0
		}
		if clean == 2 {
			return total, nil
		}
		select {
		case <-ctx.Done():
			return total, errors.Join(context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sweepOnce removes what it finds, and tells how many things that were.
func sweepOnce(ctx context.Context, eng Engine, run string, total *Removed) (found int, err error) {
	var errs []error
	remove := func(count *int, do error) {
		found++
		if do == nil || engine.IsNotFound(do) {
			*count++
			return
		}
		errs = append(errs, do)
	}
	containers, err := eng.Containers(ctx)
	if err != nil {
		return 0, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range containers {
		if c.Labels[engine.LabelDrill] == run {
			remove(&total.Containers, eng.EndContainer(ctx, c.ID))
		}
	}
	networks, err := eng.Networks(ctx)
	if err != nil {
		return found, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks {
		if n.Labels[engine.LabelDrill] == run {
			remove(&total.Networks, eng.RemoveNetwork(ctx, n.ID))
		}
	}
	volumes, err := eng.Volumes(ctx)
	if err != nil {
		return found, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes {
		if v.Labels[engine.LabelDrill] == run {
			remove(&total.Volumes, eng.RemoveVolume(ctx, v.Name))
		}
	}
	images, err := eng.Images(ctx)
	if err != nil {
		return found, fmt.Errorf("list images: %w", err)
	}
	for _, i := range images {
		for _, tag := range i.Tags {
			if strings.HasPrefix(tag, tagPrefix(run)) {
				remove(&total.Images, eng.Untag(ctx, tag))
			}
		}
	}
	return found, errors.Join(errs...)
}

// tagPrefix is how the tags of a run's images begin.
func tagPrefix(run string) string { return engine.DrillTags + run + ":" }
