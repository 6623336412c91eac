package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"davit/engine"
	"davit/engine/hostfs"
)

// bind is a folder of a store that a container sees by its path on the host.
type bind struct {
	container string
	source    string
	write     bool
	up        bool // the container will run after the move
}

// readContainers finds out what the containers are and what becomes of them.
func (f *facts) readContainers(ctx context.Context, h Host, r Request) error {
	all, err := h.Docker.Containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		mine, err := describe(c, r.Hold)
		if err != nil {
			return err
		}
		for _, b := range f.bindsOf(c, mine) {
			mine.InRoot = append(mine.InRoot, b.source)
			f.binds = append(f.binds, b)
		}
		f.containers = append(f.containers, mine)
	}
	return nil
}

// describe reads one container. Hold says that containers are held while the engine starts.
func describe(c engine.Container, hold bool) (Container, error) {
	var doc struct {
		State           struct{ Status string }
		HostConfig      struct{ StorageOpt map[string]string }
		Config          struct{ StopTimeout *int }
		NetworkSettings struct {
			Ports map[string][]struct {
				Address string `json:"HostIp"`
				Port    string `json:"HostPort"`
			}
		}
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		return Container{}, fmt.Errorf("read container %s: %w", c.Name, err)
	}
	policy, err := c.RestartPolicy()
	if err != nil {
		return Container{}, err
	}
	out := Container{ID: c.ID, Name: c.Name, State: doc.State.Status, Policy: policy.Name, AutoRemove: c.AutoRemove,
		StopSecs: 10, Quota: doc.HostConfig.StorageOpt["size"] != "", Swarm: c.Swarm}
	if t := doc.Config.StopTimeout; t != nil {
		out.StopSecs = *t
	}
	for port, hosts := range doc.NetworkSettings.Ports {
		for _, at := range hosts {
			out.Published = append(out.Published, at.Address+":"+at.Port+"->"+port)
		}
	}
	slices.Sort(out.Published)
	out.Back = comesBack(out.State, out.Policy, out.AutoRemove, hold)
	return out, nil
}

// comesBack tells what becomes of a container that is stopped by the API before the engine is, which differs from a
// stop of the engine alone: "unless-stopped" takes it for stopped by the user then.
func comesBack(state, policy string, autoRemove, hold bool) Back {
	up := state == "running" || state == "restarting" || state == "paused"
	switch {
	case autoRemove:
		return BackLost
	case state == "paused":
		return BackPaused
	case up && policy == "always" && !hold:
		return BackRestarted
	case up:
		return BackStarted
	case policy == "always" && state != "created" && !hold:
		return BackStopAgain
	}
	return BackStopped
}

// bindsOf lists the folders of moving stores that a container sees by their paths.
func (f *facts) bindsOf(c engine.Container, mine Container) []bind {
	up := mine.Back != BackStopped && mine.Back != BackStopAgain && mine.Back != BackLost
	var found []bind
	add := func(source string, write bool) {
		for _, s := range f.stores {
			if source != "" && hostfs.Below(source, s.From) {
				found = append(found, bind{c.Name, source, write, up})
			}
		}
	}
	for _, m := range c.Mounts {
		switch m.Type {
		case "bind":
			add(m.Source, m.RW)
		case "volume":
			add(f.boundVolume(m.Name), m.RW)
		}
	}
	return found
}

// boundVolume is the folder that a volume with the options type=none, o=bind stands for.
func (f *facts) boundVolume(name string) string {
	for _, v := range f.volumes {
		if v.Name == name && strings.Contains(v.Options["o"], "bind") {
			return v.Options["device"]
		}
	}
	return ""
}
