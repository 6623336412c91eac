package drill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// endpoints puts the container into scratch networks under the names that others know it by.
func (b *definitionBuilder) endpoints(host map[string]any) map[string]any {
	mode := b.saved.HostConfig.NetworkMode
	if ref, joined := strings.CutPrefix(mode, "container:"); joined {
		if scratch, known := b.stage.containers[ref]; known {
			host["NetworkMode"] = "container:" + scratch
			return map[string]any{}
		}
		b.change("the network of a container that is not part of the drill: none instead")
		host["NetworkMode"] = "none"
		return map[string]any{}
	}
	names := b.saved.networks()
	if len(names) == 0 {
		host["NetworkMode"] = "none"
		return map[string]any{}
	}
	if mode == "host" {
		b.change("the host's network: an isolated one instead")
	}
	slices.Sort(names)
	first := names[0]
	if slices.Contains(names, mode) {
		first = mode
	}
	host["NetworkMode"] = b.stage.networks[first]
	all := map[string]any{}
	for _, name := range names {
		endpoint := map[string]any{"Aliases": b.aliases(name)}
		if links := b.links(name, name == first); len(links) > 0 {
			endpoint["Links"] = links
		}
		all[b.stage.networks[name]] = endpoint
	}
	return all
}

// aliases are the names by which others find the container: those that were given, and its own, which it has not any more.
func (b *definitionBuilder) aliases(network string) []string {
	list := []string{b.of}
	if n := b.saved.NetworkSettings.Networks[network]; n != nil {
		for _, a := range n.Aliases {
			// Engines before 25 add the id.
			if len(b.saved.ID) < 12 || a != b.saved.ID[:12] {
				list = append(list, a)
			}
		}
		if c := n.IPAMConfig; c != nil && (c.IPv4Address != "" || c.IPv6Address != "") {
			b.change("no fixed address in network " + network)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// links are the links to containers of the drill. Those of the default network are in the host configuration.
func (b *definitionBuilder) links(network string, first bool) []string {
	var shown []string
	if n := b.saved.NetworkSettings.Networks[network]; n != nil {
		shown = slices.Clone(n.Links)
	}
	if first {
		shown = append(shown, b.saved.HostConfig.Links...)
	}
	var list []string
	for _, l := range shown {
		target, alias, _ := strings.Cut(strings.TrimPrefix(l, "/"), ":")
		alias = alias[strings.LastIndexByte(alias, '/')+1:]
		scratch, known := b.stage.containers[target]
		if !known {
			b.change("no link to " + target + ", which is not part of the drill")
			continue
		}
		if alias == "" {
			alias = target
		}
		list = append(list, scratch+":"+alias)
	}
	return list
}

// changed tells what is left out of a definition because it reaches out of the container.
func (b *definitionBuilder) changed() {
	h := &b.saved.HostConfig
	if h.Privileged {
		b.change("not privileged")
	}
	if len(h.CapAdd) > 0 {
		b.change("without the added capabilities " + strings.Join(h.CapAdd, ", "))
	}
	for _, d := range h.Devices {
		b.change("without the device " + d.PathOnHost)
	}
	if len(h.DeviceRequests)+len(h.DeviceCgroupRules) > 0 {
		b.change("without requested devices")
	}
	for _, opt := range h.SecurityOpt {
		if !strings.HasPrefix(opt, "no-new-privileges") {
			b.change("without the security option " + opt)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, at := range h.PortBindings[port] {
			b.change(fmt.Sprintf("port %s is not published at %s", port, strings.TrimPrefix(at.HostIP+":"+at.HostPort, ":")))
		}
	}
	if h.PublishAllPorts {
		b.change("its ports are not published")
	}
	if h.Runtime != "" && h.Runtime != "runc" {
		b.change("the engine's usual runtime instead of " + h.Runtime)
	}
	if h.CgroupParent != "" {
		b.change("not in the control group " + h.CgroupParent)
	}
	if h.MaskedPaths != nil && len(*h.MaskedPaths) == 0 {
		b.change("what the engine hides of /proc and /sys is hidden")
	}
	if len(h.StorageOpt) > 0 {
		b.change("without storage options")
	}
	if d := h.LogConfig.Type; d != "" && d != "json-file" && d != "local" {
		b.change("logs stay here and do not go to " + d)
	}
	slices.Sort(b.changes)
	b.changes = slices.Compact(b.changes)
}
