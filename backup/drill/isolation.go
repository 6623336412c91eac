package drill

import (
	"encoding/json"
	"slices"
	"strings"

	"davit/engine"
)

// madeContainer is what of a container, as the engine has made it, could reach out.
type madeContainer struct {
	HostConfig savedHost
	Mounts     []savedMount
	Config     struct{ Labels map[string]string }
}

// reachesOut looks at a container as the engine has it, before it is started, and names what does not keep to the drill.
func (r *run) reachesOut(c engine.Container) []string {
	var made madeContainer
	if err := json.Unmarshal(c.Raw, &made); err != nil {
		return []string{"a definition that cannot be read"}
	}
	h := &made.HostConfig
	var list []string
	for what, is := range map[string]bool{
		"privileges":                 h.Privileged,
		"added capabilities":         len(h.CapAdd) > 0,
		"devices":                    len(h.Devices)+len(h.DeviceRequests)+len(h.DeviceCgroupRules) > 0,
		"published ports":            len(h.PortBindings) > 0 || h.PublishAllPorts,
		"a restart policy":           h.RestartPolicy.Name != "" && h.RestartPolicy.Name != "no",
		"the host's processes":       h.PidMode == "host",
		"the host's IPC":             h.IpcMode == "host",
		"the host's names":           h.UTSMode == "host",
		"the host's users":           h.UsernsMode == "host",
		"relaxed security":           relaxed(h.SecurityOpt),
		"no label of the drill":      made.Config.Labels[engine.LabelDrill] != r.plan.Run,
		"a network of somebody else": !r.ownNetwork(h.NetworkMode),
	} {
		if is {
			list = append(list, what)
		}
	}
	for _, m := range made.Mounts {
		if m.Type == "bind" && !r.insideScratch(m.Source) {
			list = append(list, "the mount of "+m.Source)
		}
	}
	slices.Sort(list)
	return list
}

// relaxed tells whether a security option takes something away; engines write the usual labels of SELinux and AppArmor there
// by themselves.
func relaxed(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return strings.Contains(o, "unconfined") || strings.Contains(o, "disable")
	})
}

func (r *run) ownNetwork(mode string) bool {
	if ref, joined := strings.CutPrefix(mode, "container:"); joined {
		// The engine writes its id.
		for c, id := range r.ids {
			if ref == id || ref == c.Name {
				return true
			}
		}
		return false
	}
	return mode == "none" || slices.ContainsFunc(r.plan.Networks, func(n Network) bool { return n.Name == mode })
}

// insideScratch tells whether a path lies in a scratch volume.
func (r *run) insideScratch(path string) bool {
	for _, dir := range r.mountpoints {
		if dir != "" && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") {
			return true
		}
	}
	return false
}
