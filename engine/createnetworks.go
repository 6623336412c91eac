package engine

import (
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

type endpoint struct {
	name     string
	settings *network.EndpointSettings
}

// readNetworks keeps of every endpoint what the user had given.
func (d *definition) readNetworks(doc *container.InspectResponse) {
	if doc.NetworkSettings == nil || d.host.NetworkMode.IsContainer() || d.host.NetworkMode.IsHost() || d.host.NetworkMode.IsNone() {
		return
	}
	for name, shown := range doc.NetworkSettings.Networks {
		if shown == nil {
			continue
		}
		if string(d.host.NetworkMode) == shown.NetworkID && shown.NetworkID != "" {
			d.host.NetworkMode = container.NetworkMode(name)
		}
		d.endpoints[name] = givenEndpoint(name, doc, shown)
	}
}

// givenEndpoint leaves out the addresses and names that the engine had chosen.
func givenEndpoint(name string, doc *container.InspectResponse, shown *network.EndpointSettings) *network.EndpointSettings {
	given := &network.EndpointSettings{DriverOpts: shown.DriverOpts}
	if isPredefined(name) {
		return given // takes neither addresses nor aliases
	}
	given.Links = links(shown.Links)
	if c := shown.IPAMConfig; c != nil && (c.IPv4Address != "" || c.IPv6Address != "" || len(c.LinkLocalIPs) > 0) {
		given.IPAMConfig = c
	}
	for _, a := range shown.Aliases {
		// Engines before 25 add the id, and a container's own name needs no alias.
		if len(doc.ID) >= 12 && a == doc.ID[:12] {
			continue
		}
		given.Aliases = append(given.Aliases, a)
	}
	// The address of a running endpoint is shown whoever chose it. It was the user's if
	// the config has it, or if it is there without a running container.
	running := doc.State != nil && doc.State.Running
	if shown.MacAddress != "" && (shown.MacAddress == doc.Config.MacAddress || !running) { //nolint:staticcheck // older engines keep it there
		given.MacAddress = shown.MacAddress
	}
	return given
}

// networks splits the endpoints into the one a container is created with and those it is
// connected to afterwards, sorted by name.
func (d *definition) networks() (*network.NetworkingConfig, []endpoint) {
	first := string(d.host.NetworkMode)
	if first == "" || first == network.NetworkDefault {
		first = network.NetworkBridge
	}
	var others []endpoint
	for _, name := range slices.Sorted(maps.Keys(d.endpoints)) {
		if name != first {
			others = append(others, endpoint{name, d.endpoints[name]})
		}
	}
	given, ok := d.endpoints[first]
	if !ok {
		return nil, others
	}
	// An engine before 25 takes the address from the config instead.
	if given.MacAddress == "" {
		d.config.MacAddress = "" //nolint:staticcheck // see above
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first: given}}, others
}
