package engine

import (
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// keepVolumes attaches by name the volumes that the engine had made for the container: the
// definition only says that there is to be some volume, and a new container would get new
// empty ones.
func keepVolumes(h *container.HostConfig, points []container.MountPoint) {
	named := make(map[string]bool)
	for _, b := range h.Binds {
		named[bindDestination(b)] = true
	}
	volumeAt := make(map[string]string)
	for _, p := range points {
		if p.Type == mount.TypeVolume {
			volumeAt[p.Destination] = p.Name
		}
	}
	for i := range h.Mounts {
		m := &h.Mounts[i]
		named[m.Target] = true
		if m.Type == mount.TypeVolume && m.Source == "" {
			m.Source = volumeAt[m.Target]
		}
	}
	for _, p := range points {
		if p.Type != mount.TypeVolume || p.Name == "" || named[p.Destination] {
			continue
		}
		bind := p.Name + ":" + p.Destination
		if !p.RW {
			bind += ":ro"
		}
		h.Binds = append(h.Binds, bind)
	}
}

// bindDestination is the path in the container of "source:destination[:options]".
func bindDestination(bind string) string {
	parts := strings.Split(bind, ":")
	if len(parts) < 2 {
		return bind
	}
	return parts[1]
}
