package engine

import (
	"context"

	"github.com/docker/docker/api/types/swarm"
)

// ServiceRefs are the objects that a swarm service's definition names.
type ServiceRefs struct {
	Service  string
	Image    string
	Volumes  []string
	Networks []string // ids or names
}

// Services returns what the services of a swarm refer to. Only a manager can tell: on a worker it is an error.
func (e *Engine) Services(ctx context.Context) ([]ServiceRefs, error) {
	list, err := e.api.ServiceList(ctx, swarm.ServiceListOptions{})
	if err != nil {
		return nil, e.wrap(err, "list services")
	}
	var all []ServiceRefs
	for _, s := range list {
		refs := ServiceRefs{Service: s.Spec.Name}
		for _, n := range s.Spec.TaskTemplate.Networks {
			refs.Networks = append(refs.Networks, n.Target)
		}
		if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
			refs.Image = c.Image
			for _, m := range c.Mounts {
				if m.Type == "volume" {
					refs.Volumes = append(refs.Volumes, m.Source)
				}
			}
		}
		all = append(all, refs)
	}
	return all, nil
}

// RemoveNetwork removes a network that nothing is connected to.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	return e.wrap(e.api.NetworkRemove(ctx, id), "remove network %s", id)
}
