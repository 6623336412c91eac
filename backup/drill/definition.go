package drill

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"

	"davit/engine"
)

// definition is the definition of a scratch container before the engine has made its volumes.
type definition struct {
	doc    map[string]any // as an inspect document, without the next two
	host   map[string]any // its HostConfig
	config map[string]any // its Config, without the image
	mounts []mount
}

// mount is a mount of a scratch container.
type mount struct {
	volume   string // scratch
	sub      string // below it, a folder or file; "" is all of it
	target   string
	readOnly bool
}

// stage is what exists beside a scratch container: the names of the originals and what stands for them.
type stage struct {
	run        string
	containers map[string]string                                                  // name or id of the original -> scratch
	networks   map[string]string                                                  // original -> scratch
	mounts     func(m savedMount, sub string) (volume, inside string, why string) // why: it is left out, or replaced
}

// LabelOf says on a scratch container which one it stands for.
const LabelOf = "davit.drill.of"

// scratchDefinition makes the definition of a scratch container: of what was saved only what is known to do no harm. It
// returns what it left out or replaced, for people.
func scratchDefinition(saved *savedDoc, of, name string, s *stage) (*definition, []string) {
	b := &definitionBuilder{saved: saved, stage: s, of: of}
	d := &definition{host: b.hostConfig(), config: b.config()}
	d.doc = map[string]any{
		"Name":            "/" + name,
		"NetworkSettings": map[string]any{"Networks": b.endpoints(d.host)},
	}
	d.mounts = b.mounts(d.host)
	b.changed()
	return d, b.changes
}

// document is the inspect document that the engine makes the container from: of the image with this id; mountpoint tells
// where the engine keeps a scratch volume.
func (d *definition) document(image string, mountpoint func(volume string) string) (json.RawMessage, error) {
	mounts, _ := d.host["Mounts"].([]map[string]any)
	mounts = slices.Clone(mounts)
	for _, m := range d.mounts {
		entry := map[string]any{"Type": "volume", "Source": m.volume, "Target": m.target, "ReadOnly": m.readOnly}
		if m.sub != "" {
			// Without a propagation: below its own folder the engine takes only rslave, and chooses that.
			entry["Type"], entry["Source"] = "bind", path.Join(mountpoint(m.volume), m.sub)
		}
		mounts = append(mounts, entry)
	}
	host := maps.Clone(d.host)
	host["Mounts"] = mounts
	config := maps.Clone(d.config)
	config["Image"] = image
	doc := maps.Clone(d.doc)
	doc["HostConfig"], doc["Config"], doc["Image"] = host, config, image
	return json.Marshal(doc)
}

type definitionBuilder struct {
	saved   *savedDoc
	stage   *stage
	of      string
	changes []string
}

func (b *definitionBuilder) change(text string) { b.changes = append(b.changes, text) }

func (b *definitionBuilder) config() map[string]any {
	c := &b.saved.Config
	out := map[string]any{
		"User": c.User, "WorkingDir": c.WorkingDir, "StopSignal": c.StopSignal,
		"Tty": c.Tty, "OpenStdin": c.OpenStdin, "StdinOnce": c.StdinOnce, "ArgsEscaped": c.ArgsEscaped,
		"Labels": map[string]string{engine.LabelDrill: b.stage.run, LabelOf: b.of},
	}
	if mode := b.saved.HostConfig.NetworkMode; !strings.HasPrefix(mode, "container:") {
		if id := b.saved.ID; len(id) < 12 || c.Hostname != id[:12] {
			out["Hostname"], out["Domainname"] = c.Hostname, c.Domainname
		}
	}
	for key, value := range map[string]json.RawMessage{
		"Env": c.Env, "Cmd": c.Cmd, "Entrypoint": c.Entrypoint, "Shell": c.Shell, "Healthcheck": c.Healthcheck, "StopTimeout": c.StopTimeout,
	} {
		if len(value) > 0 {
			out[key] = value
		}
	}
	return out
}

// oomFirst lets the kernel kill a drill before anything else when memory runs out.
const oomFirst = 500

func (b *definitionBuilder) hostConfig() map[string]any {
	h := &b.saved.HostConfig
	out := map[string]any{
		"RestartPolicy": map[string]any{"Name": "no"}, "ReadonlyRootfs": h.ReadonlyRootfs, "CapDrop": h.CapDrop,
		"GroupAdd": h.GroupAdd, "Init": h.Init, "OomScoreAdj": oomFirst,
		// The original's driver may send to a place that others look at.
		"LogConfig": map[string]any{"Type": "json-file", "Config": map[string]string{"max-size": "10m"}},
	}
	h.limits.passOn(out)
	for _, opt := range h.SecurityOpt {
		if opt == "no-new-privileges" || opt == "no-new-privileges:true" || opt == "no-new-privileges=true" {
			out["SecurityOpt"] = []string{"no-new-privileges"}
		}
	}
	for _, host := range h.ExtraHosts {
		if strings.Contains(host, "host-gateway") {
			b.change("the host is not known as " + host)
			continue
		}
		given, _ := out["ExtraHosts"].([]string)
		out["ExtraHosts"] = append(given, host)
	}
	b.sysctls(out)
	b.tmpfs(out)
	b.namespaces(out)
	return out
}

func (l *limits) passOn(out map[string]any) {
	for key, value := range map[string]json.RawMessage{
		"Memory": l.Memory, "MemorySwap": l.MemorySwap, "MemoryReservation": l.MemoryReservation,
		"NanoCpus": l.NanoCpus, "CpuShares": l.CPUShares, "CpuPeriod": l.CPUPeriod, "CpuQuota": l.CPUQuota,
		"CpusetCpus": l.CpusetCpus, "CpusetMems": l.CpusetMems,
		"PidsLimit": l.PidsLimit, "Ulimits": l.Ulimits, "BlkioWeight": l.BlkioWeight, "ShmSize": l.ShmSize,
	} {
		if len(value) > 0 && string(value) != "null" {
			out[key] = value
		}
	}
}

// sysctls keeps those that each container has for itself.
func (b *definitionBuilder) sysctls(out map[string]any) {
	kept := map[string]string{}
	for key, value := range b.saved.HostConfig.Sysctls {
		if strings.HasPrefix(key, "net.") || strings.HasPrefix(key, "kernel.shm") || strings.HasPrefix(key, "kernel.msg") ||
			key == "kernel.sem" || strings.HasPrefix(key, "fs.mqueue.") {
			kept[key] = value
			continue
		}
		b.change("sysctl " + key + " is not set")
	}
	if len(kept) > 0 {
		out["Sysctls"] = kept
	}
}

// tmpfs keeps file systems in memory, with those of their options that say how large and whose they are.
func (b *definitionBuilder) tmpfs(out map[string]any) {
	kept := map[string]string{}
	for target, options := range b.saved.HostConfig.Tmpfs {
		var list []string
		for o := range strings.SplitSeq(options, ",") {
			key, _, _ := strings.Cut(o, "=")
			if slices.Contains([]string{"size", "mode", "uid", "gid", "nr_inodes", "exec", "noexec", "ro"}, key) {
				list = append(list, o)
			}
		}
		kept[target] = strings.Join(list, ",")
	}
	if len(kept) > 0 {
		out["Tmpfs"] = kept
	}
	var mounts []map[string]any
	for _, m := range b.saved.HostConfig.Mounts {
		if m.Type == "tmpfs" {
			mounts = append(mounts, map[string]any{
				"Type": "tmpfs", "Target": m.Target,
				"TmpfsOptions": map[string]any{"SizeBytes": m.TmpfsOptions.SizeBytes, "Mode": m.TmpfsOptions.Mode},
			})
		}
	}
	if len(mounts) > 0 {
		out["Mounts"] = mounts
	}
}

// namespaces gives the container its own, or those of another scratch container.
func (b *definitionBuilder) namespaces(out map[string]any) {
	h := &b.saved.HostConfig
	for key, mode := range map[string]string{"PidMode": h.PidMode, "IpcMode": h.IpcMode} {
		ref, joined := strings.CutPrefix(mode, "container:")
		scratch, known := b.stage.containers[ref]
		switch {
		case joined && known:
			out[key] = "container:" + scratch
		case key == "IpcMode" && (mode == "shareable" || mode == "none"):
			out[key] = mode
		case joined || mode == "host":
			b.change(key + " " + mode + ": one of its own instead")
		}
	}
	for key, mode := range map[string]string{"UTSMode": h.UTSMode, "UsernsMode": h.UsernsMode, "CgroupnsMode": h.CgroupnsMode} {
		if mode == "host" {
			b.change(key + " host: one of its own instead")
		}
	}
}

// mounts gives the container its scratch volumes.
func (b *definitionBuilder) mounts(host map[string]any) []mount {
	subs := map[string]string{}
	for _, m := range b.saved.HostConfig.Mounts {
		subs[m.Target] = m.VolumeOptions.Subpath
	}
	tmpfs, _ := host["Tmpfs"].(map[string]string)
	var list []mount
	for _, m := range b.saved.Mounts {
		if _, memory := tmpfs[m.Destination]; memory || m.Type == "tmpfs" {
			continue
		}
		volume, inside, why := b.stage.mounts(m, subs[m.Destination])
		if why != "" {
			b.change(why)
		}
		if volume != "" {
			list = append(list, mount{volume: volume, sub: inside, target: m.Destination, readOnly: !m.RW})
		}
	}
	return list
}
