package backup

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// containerFacts is what a plan needs of a container's inspect document beside what engine.Container
// tells. A document that does not parse gives none.
type containerFacts struct {
	networks    []string // names of networks it is attached to
	networkMode string
	volumesFrom []string
	links       []string
	ports       []string // published on the host, or listened on in the host's own network
	shared      []string // sources of mounts that propagate to the host
	pidMode     string
	ipcMode     string
}

func readContainerFacts(raw json.RawMessage) containerFacts {
	var doc struct {
		Config struct {
			ExposedPorts map[string]struct{}
		}
		HostConfig struct {
			NetworkMode  string
			PidMode      string
			IpcMode      string
			VolumesFrom  []string
			Links        []string
			PortBindings map[string][]struct{ HostPort string }
		}
		Mounts []struct {
			Source, Propagation string
		}
		NetworkSettings struct {
			Networks map[string]json.RawMessage
		}
	}
	if json.Unmarshal(raw, &doc) != nil {
		return containerFacts{}
	}
	f := containerFacts{
		networks:    slices.Sorted(maps.Keys(doc.NetworkSettings.Networks)),
		networkMode: doc.HostConfig.NetworkMode,
		volumesFrom: doc.HostConfig.VolumesFrom,
		links:       doc.HostConfig.Links,
		pidMode:     doc.HostConfig.PidMode,
		ipcMode:     doc.HostConfig.IpcMode,
	}
	for _, bindings := range doc.HostConfig.PortBindings {
		for _, b := range bindings {
			f.ports = append(f.ports, b.HostPort)
		}
	}
	if f.networkMode == "host" {
		for port := range doc.Config.ExposedPorts {
			number, _, _ := strings.Cut(port, "/")
			f.ports = append(f.ports, number)
		}
	}
	for _, m := range doc.Mounts {
		if strings.HasSuffix(m.Propagation, "shared") {
			f.shared = append(f.shared, m.Source)
		}
	}
	return f
}

// needs are the names or ids of containers that this one refers to.
func (f containerFacts) needs() []string {
	var list []string
	for _, mode := range []string{f.networkMode, f.pidMode, f.ipcMode} {
		if ref, ok := strings.CutPrefix(mode, "container:"); ok {
			list = append(list, ref)
		}
	}
	for _, v := range f.volumesFrom {
		ref, _, _ := strings.Cut(v, ":")
		list = append(list, ref)
	}
	for _, l := range f.links {
		ref, _, _ := strings.Cut(l, ":")
		list = append(list, strings.TrimPrefix(ref, "/"))
	}
	return list
}
