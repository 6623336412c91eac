package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"davit/engine"
)

// Labels that steer davit. They count only when they are set on the container or volume itself.
const (
	LabelBackup      = "davit.backup"             // "false" leaves it out
	LabelConsistency = "davit.backup.consistency" // pause, stop or live, for this container
	LabelExclude     = "davit.backup.exclude"     // patterns with commas between, for what it mounts
	LabelApp         = "davit.backup.app"         // what runs in it: hooks that davit knows
	LabelPre         = "davit.backup.pre"         // command to run in it before it is held
	LabelPost        = "davit.backup.post"        // command to run in it afterwards
	LabelTimeout     = "davit.backup.timeout"     // of each of these commands
)

// inventory is what an engine holds, as it was when it was asked.
type inventory struct {
	endpoint   string
	info       engine.Info
	local      bool
	notLocal   string // why it is not
	agents     bool   // its files are reached by helper containers
	copies     bool   // its volumes are copied by the engine's archive API
	containers []engine.Container
	own        map[string]map[string]string // container id -> labels that are its own
	volumes    []engine.Volume
	images     []engine.Image
	networks   []engine.Network
	extra      map[string]map[string]string // container name -> labels that the caller sets
}

// discover asks the engine for everything a selection may name.
func discover(ctx context.Context, env *Env, sized bool, extra map[string]map[string]string) (*inventory, error) {
	h := env.Engine
	inv := &inventory{endpoint: h.Endpoint(), extra: extra}
	var err error
	if inv.info, err = h.Info(ctx); err != nil {
		return nil, err
	}
	inv.local, inv.notLocal = h.Local(ctx)
	if env.AlwaysAgents {
		inv.local, inv.notLocal = false, "helper containers are asked for"
	}
	inv.agents = !inv.local && env.Agents != nil
	inv.copies = !inv.local && !inv.agents && env.Copy != nil
	list := h.Containers
	if sized {
		list = h.ContainersSized
	}
	containers, err := list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	inv.setContainers(containers)
	if inv.volumes, err = h.Volumes(ctx); err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	if inv.images, err = h.Images(ctx); err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	if inv.networks, err = h.Networks(ctx); err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	inv.volumes = slices.DeleteFunc(inv.volumes, func(v engine.Volume) bool { return rehearsed(v.Labels) })
	inv.networks = slices.DeleteFunc(inv.networks, func(n engine.Network) bool { return rehearsed(n.Labels) })
	inv.sort()
	return inv, inv.readOwnLabels(ctx, h)
}

// setContainers leaves out davit's own helpers and what rehearsals run, of this run or another.
func (inv *inventory) setContainers(all []engine.Container) {
	inv.containers = slices.DeleteFunc(slices.Clone(all), func(c engine.Container) bool {
		_, helper := c.Labels[engine.LabelHelper]
		return helper || rehearsed(c.Labels)
	})
	slices.SortFunc(inv.containers, func(a, b engine.Container) int { return strings.Compare(a.Name, b.Name) })
	inv.own = map[string]map[string]string{}
}

// rehearsed tells what a restore rehearsal has made: it is no data of this host, and gone in a moment.
func rehearsed(labels map[string]string) bool {
	_, drill := labels[engine.LabelDrill]
	return drill
}

// sort makes plans of one host comparable: engines list in any order.
func (inv *inventory) sort() {
	slices.SortFunc(inv.volumes, func(a, b engine.Volume) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(inv.images, func(a, b engine.Image) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.networks, func(a, b engine.Network) int { return strings.Compare(a.Name, b.Name) })
}

// readOwnLabels asks only about containers that have a label which would steer
// davit: telling own from inherited ones costs an inspection of the image.
func (inv *inventory) readOwnLabels(ctx context.Context, h Host) error {
	for _, c := range inv.containers {
		own := map[string]string{}
		if steered(c.Labels) {
			var err error
			if own, err = h.OwnLabels(ctx, c); err != nil {
				return fmt.Errorf("read labels of container %s: %w", c.Name, err)
			}
		}
		inv.own[c.ID] = maps.Clone(own)
		for name, value := range inv.extra[c.Name] {
			inv.own[c.ID][name] = value
		}
	}
	return nil
}

func steered(labels map[string]string) bool {
	for name := range labels {
		if strings.HasPrefix(name, LabelBackup) || strings.HasPrefix(name, composePrefix) {
			return true
		}
	}
	return false
}

// label is the value of a label that is the container's own.
func (inv *inventory) label(c engine.Container, name string) string { return inv.own[c.ID][name] }

func (inv *inventory) excluded(c engine.Container) bool { return inv.label(c, LabelBackup) == "false" }

// users are the containers that mount a volume.
func (inv *inventory) users(volume string) []engine.Container {
	var users []engine.Container
	for _, c := range inv.containers {
		if slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Type == "volume" && m.Name == volume }) {
			users = append(users, c)
		}
	}
	return users
}

func (inv *inventory) volume(name string) (engine.Volume, bool) {
	i := slices.IndexFunc(inv.volumes, func(v engine.Volume) bool { return v.Name == name })
	if i < 0 {
		return engine.Volume{}, false
	}
	return inv.volumes[i], true
}

// container finds one by name, id or the beginning of its id.
func (inv *inventory) container(ref string) (engine.Container, bool) {
	ref = strings.TrimPrefix(ref, "/")
	for _, c := range inv.containers {
		if c.Name == ref || c.ID == ref {
			return c, true
		}
	}
	var found []engine.Container
	for _, c := range inv.containers {
		if ref != "" && strings.HasPrefix(c.ID, ref) {
			found = append(found, c)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return engine.Container{}, false
}

// image finds one by tag, digest, id or the beginning of its id, as docker does.
func (inv *inventory) image(ref string) (engine.Image, bool) {
	for _, img := range inv.images {
		if img.ID == ref || slices.Contains(img.Tags, ref) || slices.Contains(img.Tags, ref+":latest") ||
			slices.Contains(img.Digests, ref) {
			return img, true
		}
	}
	var found []engine.Image
	prefix := strings.TrimPrefix(ref, "sha256:")
	for _, img := range inv.images {
		if len(prefix) >= 4 && strings.HasPrefix(strings.TrimPrefix(img.ID, "sha256:"), prefix) {
			found = append(found, img)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return engine.Image{}, false
}

func names(containers []engine.Container) []string {
	var list []string
	for _, c := range containers {
		list = append(list, c.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
