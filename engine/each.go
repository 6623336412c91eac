package engine

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// inspectWidth is how many objects are inspected at a time. An engine answers from
// memory, over one socket: more only queues. Over ssh each may be a login of its own, and
// an sshd turns some away when ten are not finished.
const inspectWidth = 8

// inspectAll inspects every key and returns the results in the order of the keys. What is
// gone meanwhile is left out.
func inspectAll[T any](ctx context.Context, keys []string, inspect func(context.Context, string) (T, error)) ([]T, error) {
	found := make([]*T, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectWidth)
	for i, key := range keys {
		g.Go(func() error {
			v, err := inspect(ctx, key)
			if IsNotFound(err) {
				return nil
			}
			if err == nil {
				found[i] = &v
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := make([]T, 0, len(keys))
	for _, v := range found {
		if v != nil {
			all = append(all, *v)
		}
	}
	return all, nil
}
