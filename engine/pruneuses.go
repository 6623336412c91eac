package engine

import (
	"context"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// ContainerUse is what one container holds, from one cheap call for all of them.
type ContainerUse struct {
	ID, Name string
	ImageID  string
	Image    string   // as given at creation
	Volumes  []string // names
	Networks []string // ids; those of stopped containers may be missing
}

// ContainerUses lists what containers, running or not, hold.
func (e *Engine) ContainerUses(ctx context.Context) ([]ContainerUse, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, e.wrap(err, "list containers")
	}
	all := make([]ContainerUse, 0, len(list))
	for _, c := range list {
		u := ContainerUse{ID: c.ID, ImageID: c.ImageID, Image: c.Image}
		if len(c.Names) > 0 {
			u.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		for _, m := range c.Mounts {
			if m.Name != "" {
				u.Volumes = append(u.Volumes, m.Name)
			}
		}
		if c.NetworkSettings != nil {
			for _, n := range c.NetworkSettings.Networks {
				u.Networks = append(u.Networks, n.NetworkID)
			}
		}
		all = append(all, u)
	}
	return all, nil
}
