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
	given := &network.EndpointSettings{DriverOpts: shown.DriverOpts, MacAddress: givenMAC(name, doc, shown)}
	if isPredefined(name) {
		return given // takes neither addresses nor aliases
	}
	given.Links = links(shown.Links)
	if c := shown.IPAMConfig; c != nil && (c.IPv4Address != "" || c.IPv6Address != "" || len(c.LinkLocalIPs) > 0) {
		given.IPAMConfig = c
	}
	for _, a := range shown.Aliases {
		// Engines before 25 add the id.
		if len(doc.ID) < 12 || a != doc.ID[:12] {
			given.Aliases = append(given.Aliases, a)
		}
	}
	return given
}

// givenMAC returns a MAC address that the user had chosen. The config has that of the
// first network; of the others one is shown while they run, whoever chose it, and it is
// left out: taken for the user's, it would be given to a second container by a copy.
func givenMAC(name string, doc *container.InspectResponse, shown *network.EndpointSettings) string {
	//lint:ignore SA1019 engines still say it there, and older ones only there
	if chosen := doc.Config.MacAddress; chosen != "" && name == firstNetwork(doc.HostConfig) {
		return chosen
	}
	if doc.State != nil && doc.State.Running {
		return ""
	}
	return shown.MacAddress
}

// firstNetwork is the network that a container is created with.
func firstNetwork(h *container.HostConfig) string {
	if mode := string(h.NetworkMode); mode != "" && mode != network.NetworkDefault {
		return mode
	}
	return network.NetworkBridge
}

// networks splits the endpoints into the one a container is created with and those it is
// connected to afterwards, sorted by name. Engines before 25 take no MAC address for a
// single endpoint.
func (d *definition) networks(perEndpointMAC bool) (*network.NetworkingConfig, []endpoint) {
	first := firstNetwork(d.host)
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
	if !perEndpointMAC {
		// The config has it.
		given.MacAddress = ""
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first: given}}, others
}
