package engine

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/versions"
)

// CacheRecord is one record of the engine's build cache.
type CacheRecord struct {
	ID          string
	Parents     []string // records it builds on: they cannot go before it
	Type        string   // regular, source.local, exec.cachemount…
	Description string
	InUse       bool // a build uses it right now
	Shared      bool // an image has the same layer
	Size        int64
	CreatedAt   time.Time
	LastUsedAt  time.Time // zero when it was never used again
	UsageCount  int
}

// BuildCache lists the build cache. Engines before 23 measure all volumes for it.
func (e *Engine) BuildCache(ctx context.Context) ([]CacheRecord, error) {
	o := types.DiskUsageOptions{}
	if versions.GreaterThanOrEqualTo(e.api.ClientVersion(), "1.42") {
		o.Types = []types.DiskUsageObject{types.BuildCacheObject}
	}
	usage, err := e.api.DiskUsage(ctx, o)
	if err != nil {
		return nil, e.wrap(err, "list the build cache")
	}
	var all []CacheRecord
	for _, r := range usage.BuildCache {
		if r == nil {
			continue
		}
		c := CacheRecord{
			ID: r.ID, Parents: r.Parents, Type: r.Type, Description: r.Description, InUse: r.InUse, Shared: r.Shared,
			Size: r.Size, CreatedAt: r.CreatedAt, UsageCount: r.UsageCount,
		}
		//lint:ignore SA1019 it is all that engines before 23 tell
		if parent := r.Parent; parent != "" {
			c.Parents = append(c.Parents, parent)
		}
		if r.LastUsedAt != nil {
			c.LastUsedAt = *r.LastUsedAt
		}
		all = append(all, c)
	}
	return all, nil
}

// cacheID is what an id looks like: the engine takes it as a regular expression.
var cacheID = regexp.MustCompile(`^[a-z0-9]{20,64}$`)

// RemoveCache removes one record of the build cache and returns the bytes that the engine freed. One that is in use,
// or that others build on, stays, and gone is false.
func (e *Engine) RemoveCache(ctx context.Context, id string) (freed uint64, gone bool, err error) {
	if !cacheID.MatchString(id) {
		return 0, false, fmt.Errorf("remove build cache %s: it is no id of a record", id)
	}
	report, err := e.api.BuildCachePrune(ctx, build.CachePruneOptions{All: true, Filters: filters.NewArgs(filters.Arg("id", id))})
	if err != nil {
		return 0, false, e.wrap(err, "remove build cache %s", id)
	}
	return report.SpaceReclaimed, len(report.CachesDeleted) > 0, nil
}
