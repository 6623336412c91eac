package prune

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"davit/engine"
)

// anonymousLabel marks volumes that nobody named. A volume with a name like an id but without the label may well have
// been named so: it counts as named.
const anonymousLabel = "com.docker.volume.anonymous"

func (r *reading) addImages() {
	parents := map[string]bool{}
	for _, img := range r.images {
		parents[img.parent] = true
	}
	for _, img := range r.images {
		o := Object{
			Ref: Ref{Image, img.ID}, Name: shortID(img.ID), Tags: real(img.Tags), Digests: real(img.Digests),
			Labels: img.Labels, Raw: img.Raw, Units: r.layers.image(img.ID),
		}
		if len(o.Tags) > 0 {
			o.Name = o.Tags[0]
		} else if len(o.Digests) > 0 { // a name with a whole digest would be all that fits a line
			name, digest, _ := strings.Cut(o.Digests[0], "@")
			o.Name = name + "@" + shortID(digest)
		}
		o.Step = len(o.Tags) == 0 && parents[img.ID]
		if _, there := r.imageByID[img.parent]; there {
			o.Needs = append(o.Needs, Ref{Image, img.parent})
		}
		o.Arrived, o.ArrivedFrom = img.tagged, "the engine"
		if known := r.layers.arrived(img.ID); known.After(o.Arrived) || o.Arrived.IsZero() {
			o.Arrived, o.ArrivedFrom = known, "its file"
		}
		if o.Arrived.IsZero() {
			o.ArrivedFrom = ""
		}
		if _, helper := img.Labels[engine.LabelHelper]; helper {
			o.Pins = append(o.Pins, "davit itself")
		}
		r.add(o)
	}
}

// imageDoc is what engine.Image does not tell.
type imageDoc struct {
	Parent   string
	Metadata struct{ LastTagTime time.Time }
}

func readImageDoc(raw json.RawMessage) imageDoc {
	var doc imageDoc
	_ = json.Unmarshal(raw, &doc) // it was read before; a strange time is none
	return doc
}

// real leaves out the names that engines give to images without one.
func real(refs []string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(s string) bool { return strings.HasPrefix(s, "<none>") })
}

// shortID is an id as docker shows it.
func shortID(id string) string {
	_, hex, found := strings.Cut(id, ":")
	if !found {
		hex = id
	}
	return hex[:min(len(hex), 12)]
}

// containerDoc is what engine.Container does not tell.
type containerDoc struct {
	Created time.Time
	State   struct {
		Status                string
		StartedAt, FinishedAt time.Time
	}
	HostConfig struct {
		NetworkMode, PidMode, IpcMode string
		VolumesFrom                   []string
	}
	NetworkSettings struct {
		Networks map[string]struct{ NetworkID string }
	}
}

func (r *reading) addContainers() {
	byName := map[string]string{}
	for _, c := range r.containers {
		byName[c.Name], byName[c.ID] = c.ID, c.ID
	}
	for _, c := range r.containers {
		var doc containerDoc
		err := json.Unmarshal(c.Raw, &doc)
		o := Object{
			Ref: Ref{Container, c.ID}, Name: c.Name, State: doc.State.Status, Labels: r.ownLabels(c), Raw: c.Raw,
			Arrived: doc.Created, ArrivedFrom: "the engine", Path: c.UpperDir,
		}
		if doc.State.FinishedAt.Year() > 1 {
			o.Ended = doc.State.FinishedAt
		}
		if c.UpperDir == "" {
			o.Path = r.layers.upperDir(c.ID)
		}
		o.Needs = r.containerNeeds(c, doc, byName)
		o.Units = append(r.layers.container(c), "rw:"+c.ID)
		switch {
		case err != nil:
			o.Pins = append(o.Pins, "its definition cannot be read")
		case c.Running || c.Paused || c.Restarting:
			o.Pins = append(o.Pins, "it is "+doc.State.Status)
		case c.Swarm:
			o.Pins = append(o.Pins, "a task of a swarm service")
		case !slices.Contains([]string{"exited", "created", "dead"}, o.State):
			o.Pins = append(o.Pins, "it is "+o.State)
		}
		if _, helper := c.Labels[engine.LabelHelper]; helper {
			o.Pins = append(o.Pins, "davit itself")
		}
		r.use(c, &o, doc.State.StartedAt)
		r.add(o)
	}
}

// use notes what a container used, and until when.
func (r *reading) use(c engine.Container, o *Object, started time.Time) {
	at, how := o.Ended, "container "+c.Name+" stopped"
	switch {
	case c.Running:
		at, how = r.facts.Taken, "container "+c.Name+" runs"
	case started.After(at):
		at, how = started, "container "+c.Name+" started"
	case at.IsZero():
		at, how = o.Arrived, "container "+c.Name+" was made"
	}
	for i := range r.facts.Objects { // images: they come before containers
		img := &r.facts.Objects[i]
		if img.Kind == Image && img.ID == c.ImageID && at.After(img.Used) {
			img.Used, img.UsedFrom = at, how
		}
	}
}

// ownLabels are a container's labels without those of its image: only these steer davit.
func (r *reading) ownLabels(c engine.Container) map[string]string {
	own := maps.Clone(c.Labels)
	img := r.imageByID[c.ImageID]
	maps.DeleteFunc(own, func(k, v string) bool { return img == nil || img.Labels[k] == v })
	return own
}

func (r *reading) containerNeeds(c engine.Container, doc containerDoc, byName map[string]string) []Ref {
	var needs []Ref
	add := func(k Kind, id string) {
		if ref := (Ref{k, id}); id != "" && !slices.Contains(needs, ref) {
			needs = append(needs, ref)
		}
	}
	add(Image, c.ImageID)
	for _, img := range r.images { // also what its name means now: a restart of the project would want it
		if img.ID != c.ImageID && c.Image != "" && slices.Contains(img.Digests, c.Image) {
			add(Image, img.ID)
		}
	}
	for _, m := range c.Mounts {
		if m.Type == "volume" {
			add(Volume, m.Name)
		}
	}
	for name, n := range doc.NetworkSettings.Networks {
		for _, known := range r.networks {
			if known.ID == n.NetworkID || known.Name == name {
				add(Network, known.ID)
			}
		}
	}
	for _, mode := range []string{doc.HostConfig.NetworkMode, doc.HostConfig.PidMode, doc.HostConfig.IpcMode} {
		if other, ok := strings.CutPrefix(mode, "container:"); ok {
			add(Container, byName[other])
		}
		for _, known := range r.networks { // one that it joins when it starts
			if known.Name == mode || known.ID == mode {
				add(Network, known.ID)
			}
		}
	}
	for _, from := range doc.HostConfig.VolumesFrom {
		other, _, _ := strings.Cut(from, ":")
		add(Container, byName[other])
	}
	return slices.DeleteFunc(needs, func(n Ref) bool { return n.ID == c.ID })
}

func (r *reading) addVolumes() {
	for _, v := range r.volumes {
		var doc struct{ CreatedAt time.Time }
		_ = json.Unmarshal(v.Raw, &doc) // without a time nobody knows when it came
		_, anonymous := v.Labels[anonymousLabel]
		o := Object{
			Ref: Ref{Volume, v.Name}, Name: v.Name, Labels: v.Labels, Anonymous: anonymous, Raw: v.Raw,
			Arrived: doc.CreatedAt, ArrivedFrom: "the engine", Units: []string{"volume:" + v.Name},
		}
		if v.Driver == "local" && len(v.Options) == 0 {
			o.Path = v.Mountpoint
		}
		if v.Scope != "" && v.Scope != "local" {
			o.Pins = append(o.Pins, "other hosts may use it")
		}
		for _, c := range r.containers {
			if slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Name == v.Name }) {
				r.volumeUse(c, &o)
			}
		}
		r.add(o)
	}
}

func (r *reading) volumeUse(c engine.Container, v *Object) {
	for i := range r.facts.Objects {
		o := &r.facts.Objects[i]
		if o.Ref == (Ref{Container, c.ID}) && o.last().After(v.Used) {
			v.Used, v.UsedFrom = o.last(), "container "+c.Name
		}
	}
}

func (r *reading) addNetworks() {
	for _, n := range r.networks {
		var doc struct {
			Created    time.Time
			Ingress    bool
			Containers map[string]json.RawMessage
		}
		err := json.Unmarshal(n.Raw, &doc)
		o := Object{
			Ref: Ref{Network, n.ID}, Name: n.Name, Labels: n.Labels, Raw: n.Raw, Arrived: doc.Created, ArrivedFrom: "the engine",
		}
		switch {
		case n.Predefined:
			o.Pins = append(o.Pins, "every engine has it")
		case err != nil:
			o.Pins = append(o.Pins, "its definition cannot be read")
		case doc.Ingress || n.Scope == "swarm" || n.Scope == "global":
			o.Pins = append(o.Pins, "the swarm may use it")
		case len(doc.Containers) > 0:
			o.Pins = append(o.Pins, "containers are connected to it")
		}
		r.add(o)
	}
}

func (r *reading) addCache() {
	for _, c := range r.cache {
		o := Object{
			Ref: Ref{Cache, c.ID}, Name: shortID(c.ID), Type: c.Type, Arrived: c.CreatedAt, ArrivedFrom: "the engine",
			Used: c.LastUsedAt, UsedFrom: "a build", Units: r.layers.cache(c),
		}
		if c.LastUsedAt.IsZero() {
			o.UsedFrom = ""
		}
		if c.InUse {
			o.Pins = append(o.Pins, "a build uses it")
		}
		for _, p := range c.Parents {
			o.Needs = append(o.Needs, Ref{Cache, p})
		}
		r.add(o)
	}
}
