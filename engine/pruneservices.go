package engine

import (
	"context"

	"github.com/docker/docker/api/types/swarm"
)

// ServiceRefs are the objects that a swarm service's definition names.
type ServiceRefs struct {
	Service  string
	Images   []string // as given; also that of the definition before, to which it may be rolled back
	Volumes  []string // names; one may be a template, "data-{{.Task.Slot}}"
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
		refs.add(&s.Spec)
		if s.PreviousSpec != nil {
			refs.add(s.PreviousSpec)
		}
		all = append(all, refs)
	}
	return all, nil
}

func (r *ServiceRefs) add(spec *swarm.ServiceSpec) {
	for _, n := range spec.TaskTemplate.Networks {
		r.Networks = append(r.Networks, n.Target)
	}
	c := spec.TaskTemplate.ContainerSpec
	if c == nil { // it runs plugins
		return
	}
	r.Images = append(r.Images, c.Image)
	for _, m := range c.Mounts {
		if m.Type == "volume" && m.Source != "" {
			r.Volumes = append(r.Volumes, m.Source)
		}
	}
}

// RemoveNetwork removes a network that nothing is connected to.
func (e *Engine) RemoveNetwork(ctx context.Context, id string) error {
	return e.wrap(e.api.NetworkRemove(ctx, id), "remove network %s", id)
}
