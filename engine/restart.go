package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// RestartPolicy is what an engine does when a container ends, or when the engine itself starts.
type RestartPolicy struct {
	Name    string `json:"name"` // no, always, unless-stopped, on-failure
	Retries int    `json:"retries,omitempty"`
}

// Restarts tells whether the policy ever starts a container.
func (p RestartPolicy) Restarts() bool { return p.Name != "" && p.Name != "no" }

// RestartPolicy reads the policy from the inspect document.
func (c *Container) RestartPolicy() (RestartPolicy, error) {
	var doc struct {
		HostConfig struct{ RestartPolicy container.RestartPolicy }
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return RestartPolicy{}, fmt.Errorf("read restart policy of container %s: %w", c.Name, err)
	}
	p := RestartPolicy{Name: string(doc.HostConfig.RestartPolicy.Name), Retries: doc.HostConfig.RestartPolicy.MaximumRetryCount}
	if p.Name == "" {
		p.Name = "no"
	}
	return p, nil
}

// endingTime is how long an engine may take to notice that a container has ended.
const endingTime = 30 * time.Second

// SetRestartPolicy changes the policy of a container, running or not. A container with AutoRemove takes none. For one that
// is ending right now, whose processes the engine looks for in vain, it waits until the engine knows.
func (e *Engine) SetRestartPolicy(ctx context.Context, id string, p RestartPolicy) error {
	deadline := time.Now().Add(endingTime)
	for {
		_, err := e.api.ContainerUpdate(ctx, id, container.UpdateConfig{RestartPolicy: container.RestartPolicy{
			Name: container.RestartPolicyMode(p.Name), MaximumRetryCount: p.Retries,
		}})
		if err == nil || !strings.Contains(err.Error(), "container not running") || time.Now().After(deadline) {
			return e.wrap(err, "set restart policy of container %s", id)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
