package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/volume"
)

// labelAnonymous marks the volumes that engines from 24 on made by themselves.
const labelAnonymous = "com.docker.volume.anonymous"

// Volumes inspects all volumes, sorted by name.
func (e *Engine) Volumes(ctx context.Context) ([]Volume, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, e.wrap(err, "list volumes")
	}
	var names []string
	for _, v := range list.Volumes {
		if v != nil {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return inspectAll(ctx, names, e.InspectVolume)
}

// InspectVolume inspects one volume.
func (e *Engine) InspectVolume(ctx context.Context, name string) (Volume, error) {
	_, raw, err := e.api.VolumeInspectWithRaw(ctx, name)
	if err != nil {
		return Volume{}, e.wrap(err, "inspect volume %s", name)
	}
	return ParseVolume(raw)
}

// ParseVolume reads an inspect document.
func ParseVolume(raw json.RawMessage) (Volume, error) {
	var doc volume.Volume
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Volume{}, fmt.Errorf("read volume definition: %w", err)
	}
	_, marked := doc.Labels[labelAnonymous]
	return Volume{
		Name: doc.Name, Driver: doc.Driver, Mountpoint: doc.Mountpoint, Scope: doc.Scope,
		Labels: doc.Labels, Options: doc.Options,
		Anonymous: marked || isHexID(doc.Name),
		Raw:       raw,
	}, nil
}

// isHexID tells a name that an engine has made up: 64 hex digits.
func isHexID(name string) bool {
	if len(name) != 64 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// VolumeSpec is what a new volume is made from.
type VolumeSpec struct {
	Name, Driver    string
	Options, Labels map[string]string
}

// CreateVolume makes a volume. The engine also says yes to one that exists with the same
// driver and options; callers that must not touch it look first.
func (e *Engine) CreateVolume(ctx context.Context, s VolumeSpec) (Volume, error) {
	v, err := e.api.VolumeCreate(ctx, volume.CreateOptions{
		Name: s.Name, Driver: s.Driver, DriverOpts: s.Options, Labels: s.Labels,
	})
	if err != nil {
		return Volume{}, e.wrap(err, "create volume %s", s.Name)
	}
	return e.InspectVolume(ctx, v.Name)
}

// RemoveVolume removes a volume that no container uses.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	return e.wrap(e.api.VolumeRemove(ctx, name, false), "remove volume %s", name)
}
