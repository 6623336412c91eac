package repo

import "context"

// planGC tells what GC would do now and writes nothing.
func (r *Repository) planGC(ctx context.Context, o GCOptions) (GCResult, error) {
	c, err := r.newCollection(ctx, r.opt.Now(), o.Grace)
	if err != nil {
		return GCResult{}, err
	}
	blobs, err := c.unneeded(ctx)
	if err != nil {
		return GCResult{}, err
	}
	for _, b := range blobs {
		c.result.Condemned.add(b)
	}
	runs, err := r.gcRuns(ctx)
	if err != nil {
		return GCResult{}, err
	}
	if len(blobs) > 0 && o.Grace == 0 {
		if err := c.planNew(ctx, highestGC(runs)+1); err != nil {
			return GCResult{}, err
		}
	}
	for _, run := range runs {
		if err := c.planSweep(ctx, run); err != nil {
			return GCResult{}, err
		}
	}
	return c.result, nil
}

// planNew is for what would be condemned and removed by one call.
func (c *collection) planNew(ctx context.Context, number int64) error {
	waits, err := c.waits(ctx, gcRun{number: number, condemned: c.now})
	if err != nil {
		return err
	}
	if waits != nil {
		waits.Amount = c.result.Condemned
		c.result.Waiting = append(c.result.Waiting, *waits)
		return nil
	}
	c.result.Removed = c.result.Condemned
	return context.Cause(ctx)
}

func (c *collection) planSweep(ctx context.Context, run gcRun) error {
	if run.isDone() {
		return nil
	}
	condemned, err := c.repo.condemned(ctx, run.number)
	if err != nil {
		return err
	}
	waits, err := c.waits(ctx, run)
	if err != nil {
		return err
	}
	if waits != nil {
		waits.Amount = condemned.amount()
		c.result.Waiting = append(c.result.Waiting, *waits)
		return nil
	}
	rescued, err := c.repo.rescued(ctx, run.number)
	if err != nil {
		return err
	}
	doomed, err := c.doomed(ctx, condemned, rescued)
	if err != nil {
		return err
	}
	for _, b := range doomed.blobs {
		c.result.Removed.add(b)
	}
	return nil
}
