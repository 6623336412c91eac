package repo

import (
	"context"
	"errors"
	"sync"
)

// together takes steps that do not depend on each other: at once where each waits for a
// server, one after another in a folder. All have ended when it returns.
func (r *Repository) together(ctx context.Context, steps ...func(context.Context) error) error {
	errs := make([]error, len(steps))
	if r.Local() {
		for i, step := range steps {
			errs[i] = step(ctx)
		}
		return errors.Join(errs...)
	}
	var wg sync.WaitGroup
	for i, step := range steps {
		wg.Go(func() { errs[i] = step(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
