package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

const (
	labelProject   = "com.docker.compose.project"
	labelService   = "com.docker.compose.service"
	labelDependsOn = "com.docker.compose.depends_on"
	labelTask      = "com.docker.swarm.task.id"
)

// Containers inspects all containers, running or not, sorted by name.
func (e *Engine) Containers(ctx context.Context) ([]Container, error) {
	return e.containers(ctx, false)
}

// ContainersSized is Containers with SizeRw, for which the engine walks every writable
// layer: seconds, not milliseconds.
func (e *Engine) ContainersSized(ctx context.Context) ([]Container, error) {
	return e.containers(ctx, true)
}

func (e *Engine) containers(ctx context.Context, sized bool) ([]Container, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, e.wrap(err, "list containers")
	}
	ids := make([]string, 0, len(list))
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return e.inspectContainers(ctx, ids, sized)
}

// ContainersByID is Containers for ids that are known from elsewhere; those that the engine does not know are left out.
// It spares the list, for which engines with containerd's store look up the image of every container.
func (e *Engine) ContainersByID(ctx context.Context, ids []string) ([]Container, error) {
	return e.inspectContainers(ctx, ids, false)
}

func (e *Engine) inspectContainers(ctx context.Context, ids []string, sized bool) ([]Container, error) {
	all, err := inspectAll(ctx, ids, func(ctx context.Context, id string) (Container, error) {
		return e.inspectContainer(ctx, id, sized)
	})
	slices.SortFunc(all, func(a, b Container) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// InspectContainer inspects one container by id, id prefix or name.
func (e *Engine) InspectContainer(ctx context.Context, ref string) (Container, error) {
	return e.inspectContainer(ctx, ref, false)
}

func (e *Engine) inspectContainer(ctx context.Context, ref string, sized bool) (Container, error) {
	_, raw, err := e.api.ContainerInspectWithRaw(ctx, ref, sized)
	if err != nil {
		return Container{}, e.wrap(err, "inspect container %s", ref)
	}
	return ParseContainer(raw)
}

// ParseContainer reads an inspect document. It may come from a backup: nothing in it is
// trusted to be there.
func ParseContainer(raw json.RawMessage) (Container, error) {
	var doc container.InspectResponse
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Container{}, fmt.Errorf("read container definition: %w", err)
	}
	if doc.ContainerJSONBase == nil || doc.Config == nil {
		return Container{}, fmt.Errorf("read container definition: it is not an inspect document")
	}
	c := Container{
		ID:        doc.ID,
		Name:      strings.TrimPrefix(doc.Name, "/"),
		Image:     doc.Config.Image,
		ImageID:   doc.Image,
		Labels:    doc.Config.Labels,
		Mounts:    mounts(doc.Mounts),
		Project:   doc.Config.Labels[labelProject],
		Service:   doc.Config.Labels[labelService],
		DependsOn: dependsOn(doc.Config.Labels[labelDependsOn]),
		Swarm:     doc.Config.Labels[labelTask] != "",
		SizeRw:    -1,
		UpperDir:  doc.GraphDriver.Data["UpperDir"],
		Raw:       raw,
	}
	if doc.State != nil {
		c.Running, c.Paused, c.Restarting = doc.State.Running, doc.State.Paused, doc.State.Restarting
		c.Pid = doc.State.Pid
	}
	if doc.HostConfig != nil {
		c.AutoRemove = doc.HostConfig.AutoRemove
	}
	if doc.SizeRw != nil {
		c.SizeRw = *doc.SizeRw
	}
	return c, nil
}

func mounts(points []container.MountPoint) []Mount {
	var all []Mount
	for _, m := range points {
		all = append(all, Mount{
			Type: string(m.Type), Name: m.Name, Source: m.Source,
			Destination: m.Destination, Driver: m.Driver, RW: m.RW,
		})
	}
	slices.SortFunc(all, func(a, b Mount) int { return cmp.Compare(a.Destination, b.Destination) })
	return all
}

// dependsOn reads compose's label, "db:service_healthy:false,cache:service_started:true",
// in older versions "db,cache".
func dependsOn(label string) []string {
	services := make(map[string]bool)
	for _, item := range strings.Split(label, ",") {
		service, _, _ := strings.Cut(strings.TrimSpace(item), ":")
		if service != "" {
			services[service] = true
		}
	}
	return slices.Sorted(maps.Keys(services))
}
