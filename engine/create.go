package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
)

// CreateContainerFromInspect makes a container with the definition of an inspect document
// and does not start it. It returns the id and the engine's warnings.
//
// Name, config, host config and the networks with their aliases come back, static
// addresses only where the user had set them. Anonymous volumes are attached by their
// names, so that they are to be there before. Networks are referred to by name, other
// containers as the document does: see [NameReferences]. When a network cannot be joined,
// the container is removed again.
func (e *Engine) CreateContainerFromInspect(ctx context.Context, raw json.RawMessage) (id string, warnings []string, err error) {
	d, err := readDefinition(raw)
	if err != nil {
		return "", nil, err
	}
	if d.config.Image, err = e.sameImage(ctx, d.config.Image, d.imageID); err != nil {
		return "", nil, err
	}
	first, others := d.networks(versions.GreaterThanOrEqualTo(e.api.ClientVersion(), "1.44"))
	resp, err := e.api.ContainerCreate(ctx, d.config, d.host, first, nil, d.name)
	if err != nil {
		return "", nil, e.wrap(err, "create container %s", d.name)
	}
	// An engine before 25 takes one network at creation.
	for _, n := range others {
		if err := e.api.NetworkConnect(ctx, n.name, resp.ID, n.settings); err != nil {
			err = e.wrap(err, "connect container %s to network %s", d.name, n.name)
			return "", nil, errors.Join(err, e.RemoveContainer(context.WithoutCancel(ctx), resp.ID))
		}
	}
	return resp.ID, resp.Warnings, nil
}

// sameImage returns what to create from: the name that was given then, if it still means
// the same image, else the image's id, if it is there. An engine with another kind of
// store has the image by another id; then the name is all there is.
func (e *Engine) sameImage(ctx context.Context, name, id string) (string, error) {
	named, err := e.InspectImage(ctx, name)
	if err != nil && !IsNotFound(err) {
		return "", err
	}
	if err == nil && named.ID == id {
		return name, nil
	}
	if id == "" {
		return name, nil
	}
	if _, err := e.InspectImage(ctx, id); err == nil {
		return id, nil
	} else if !IsNotFound(err) {
		return "", err
	}
	return name, nil
}

// definition is what an inspect document says that belongs to a new container too.
type definition struct {
	name, imageID string
	config        *container.Config
	host          *container.HostConfig
	endpoints     map[string]*network.EndpointSettings // by network name
}

func readDefinition(raw json.RawMessage) (*definition, error) {
	var doc container.InspectResponse
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read container definition: %w", err)
	}
	if doc.ContainerJSONBase == nil || doc.Config == nil || doc.HostConfig == nil {
		return nil, errors.New("read container definition: it is not an inspect document")
	}
	d := &definition{
		name:      strings.TrimPrefix(doc.Name, "/"),
		imageID:   doc.Image,
		config:    doc.Config,
		host:      doc.HostConfig,
		endpoints: make(map[string]*network.EndpointSettings),
	}
	keepVolumes(d.host, doc.Mounts)
	d.host.Links = links(d.host.Links)
	d.cleanConfig(doc.ID)
	d.readNetworks(&doc)
	return d, nil
}

// cleanConfig takes out what the engine itself had put into the config.
func (d *definition) cleanConfig(oldID string) {
	if len(oldID) >= 12 && d.config.Hostname == oldID[:12] {
		d.config.Hostname = ""
	}
	if d.host.NetworkMode.IsContainer() {
		// These are the other container's; the engine refuses them here.
		d.config.Hostname, d.config.Domainname, d.config.ExposedPorts = "", "", nil
	}
	if d.host.UTSMode.IsHost() {
		d.config.Hostname, d.config.Domainname = "", ""
	}
}

// links turns "/db:/web/alias", as they are shown, into "db:alias", as they are given.
func links(shown []string) []string {
	given := slices.Clone(shown)
	for i, l := range given {
		target, alias, ok := strings.Cut(l, ":")
		if ok {
			given[i] = strings.TrimPrefix(target, "/") + ":" + alias[strings.LastIndexByte(alias, '/')+1:]
		}
	}
	return given
}
