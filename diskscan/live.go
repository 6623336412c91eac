package diskscan

import (
	"context"
	"encoding/json"
	"fmt"

	"davit/engine"
)

// Engine is what the facts of a running engine are asked of.
type Engine interface {
	Containers(ctx context.Context) ([]engine.Container, error)
	Images(ctx context.Context) ([]engine.Image, error)
	Volumes(ctx context.Context) ([]engine.Volume, error)
}

// Ask returns what a running engine knows. It must be the one whose files are looked at.
func Ask(ctx context.Context, e Engine) (*Facts, error) {
	containers, err := e.Containers(ctx)
	if err != nil {
		return nil, err
	}
	images, err := e.Images(ctx)
	if err != nil {
		return nil, err
	}
	volumes, err := e.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	f := &Facts{}
	for _, c := range containers {
		facts, err := containerFacts(c)
		if err != nil {
			return nil, err
		}
		f.Containers = append(f.Containers, facts)
	}
	for _, i := range images {
		f.Images = append(f.Images, ImageFacts{ID: i.ID, Tags: i.Tags, Pullable: len(i.Digests) > 0})
	}
	for _, v := range volumes {
		f.Volumes = append(f.Volumes, VolumeFacts{Name: v.Name, Anonymous: v.Anonymous})
	}
	return f, nil
}

func containerFacts(c engine.Container) (ContainerFacts, error) {
	var doc struct {
		LogPath    string
		State      struct{ Status string }
		HostConfig hostConfig
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return ContainerFacts{}, fmt.Errorf("read definition of container %s: %w", c.Name, err)
	}
	log := doc.HostConfig.LogConfig
	facts := ContainerFacts{
		ID: c.ID, Name: c.Name, ImageID: c.ImageID, State: doc.State.Status,
		LogDriver: log.Type, LogLimited: logLimited(log.Type, log.Config), LogPath: doc.LogPath,
	}
	for _, m := range c.Mounts {
		switch {
		case m.Type == "volume":
			facts.Volumes = append(facts.Volumes, m.Name)
		case m.Type == "bind":
			facts.Binds = append(facts.Binds, m.Source)
		}
	}
	return facts, nil
}
