package storage

import "context"

type (
	freshKey   struct{}
	cachingKey struct{}
)

// Fresh makes those who read with the context ask the server, and no cache.
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// Caching makes Open keep what it reads, and Publish what it sends, a blob of at most a few MiB,
// for the next time; and Put what it writes once, for GetListed of this process.
func Caching(ctx context.Context) context.Context { return context.WithValue(ctx, cachingKey{}, true) }

func isFresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }

func isCaching(ctx context.Context) bool { return ctx.Value(cachingKey{}) != nil && !isFresh(ctx) }
