package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"davit/engine"
	"davit/migrate/preflight"
)

// Inventory is what an engine has, as it must be the same after a move. Values are compared, not shown; what may be
// secret is in it as a digest.
type Inventory struct {
	Objects []Object `json:"objects"`
}

// Object is one thing in an inventory.
type Object struct {
	Kind   string            `json:"kind"` // engine, image, container, volume, network, plugin
	ID     string            `json:"id"`   // by which it is found again
	Name   string            `json:"name"` // by which people know it
	Fields map[string]string `json:"fields"`
}

// Count returns how many objects of a kind there are.
func (v *Inventory) Count(kind string) int {
	n := 0
	for _, o := range v.Objects {
		if o.Kind == kind {
			n++
		}
	}
	return n
}

// takeInventory asks an engine for everything it has. Paths in the stores' roots, old or new, are as in the old.
func takeInventory(ctx context.Context, e Engine, stores []preflight.Store) (*Inventory, error) {
	t := &taker{stores: stores}
	for _, part := range []func(context.Context, Engine) error{
		t.engine, t.images, t.containers, t.volumes, t.networks, t.plugins,
	} {
		if err := part(ctx, e); err != nil {
			return nil, fmt.Errorf("take inventory: %w", err)
		}
	}
	return &t.inventory, nil
}

type taker struct {
	stores    []preflight.Store
	inventory Inventory
}

func (t *taker) add(kind, id, name string, fields map[string]string) {
	t.inventory.Objects = append(t.inventory.Objects, Object{Kind: kind, ID: id, Name: name, Fields: fields})
}

// old is a path with the old root for the new one.
func (t *taker) old(path string) string {
	for _, s := range t.stores {
		if path == s.To {
			return s.From
		}
		if rest, ok := strings.CutPrefix(path, s.To+"/"); ok {
			return s.From + "/" + rest
		}
	}
	return path
}

func (t *taker) engine(ctx context.Context, e Engine) error {
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	t.add("engine", "engine", info.Name, map[string]string{
		"id": info.ID, "storage driver": info.Driver, "containerd store": strconv.FormatBool(info.ContainerdStore),
		"data-root": t.old(info.DataRoot), "live-restore": strconv.FormatBool(info.LiveRestore),
		"swarm": strconv.FormatBool(info.Swarm), "user namespaces": strconv.FormatBool(info.UserNS),
	})
	return nil
}

func (t *taker) images(ctx context.Context, e Engine) error {
	all, err := e.Images(ctx)
	for _, i := range all {
		name := i.ID
		if len(i.Tags) > 0 {
			name = i.Tags[0]
		}
		t.add("image", i.ID, name, map[string]string{
			"tags": strings.Join(i.Tags, " "), "digests": strings.Join(i.Digests, " "),
			"layers": strings.Join(i.DiffIDs, " "), "size": strconv.FormatInt(i.Size, 10),
		})
	}
	return err
}

func (t *taker) containers(ctx context.Context, e Engine) error {
	all, err := e.Containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		var doc struct {
			Created            string
			Config, HostConfig json.RawMessage
			NetworkSettings    struct{ Networks map[string]json.RawMessage }
		}
		if err := json.Unmarshal(c.Raw, &doc); err != nil {
			return fmt.Errorf("read definition of container %s: %w", c.Name, err)
		}
		var mounts []string
		for _, m := range c.Mounts {
			mounts = append(mounts, fmt.Sprintf("%s %q %q %q %t", m.Type, m.Name, t.old(m.Source), m.Destination, m.RW))
		}
		t.add("container", c.ID, c.Name, map[string]string{
			"name": c.Name, "image": c.ImageID, "created": doc.Created,
			"settings": digest(doc.Config), "host settings": digest(doc.HostConfig),
			"networks": strings.Join(slices.Sorted(maps.Keys(doc.NetworkSettings.Networks)), " "),
			"mounts":   strings.Join(mounts, ", "),
		})
	}
	return nil
}

func (t *taker) volumes(ctx context.Context, e Engine) error {
	all, err := e.Volumes(ctx)
	for _, v := range all {
		t.add("volume", v.Name, v.Name, map[string]string{
			"driver": v.Driver, "mount point": t.old(v.Mountpoint), "options": pairs(v.Options), "labels": pairs(v.Labels),
		})
	}
	return err
}

func (t *taker) networks(ctx context.Context, e Engine) error {
	all, err := e.Networks(ctx)
	if err != nil {
		return err
	}
	for _, n := range all {
		var doc struct{ IPAM, Options json.RawMessage }
		if err := json.Unmarshal(n.Raw, &doc); err != nil {
			return fmt.Errorf("read definition of network %s: %w", n.Name, err)
		}
		id, addresses := n.ID, digest(doc.IPAM)
		if n.Predefined { // the bridge is made anew, with a new id, whenever an engine starts
			id, addresses = n.Name, ""
		}
		t.add("network", id, n.Name, map[string]string{
			"name": n.Name, "driver": n.Driver, "scope": n.Scope, "labels": pairs(n.Labels),
			"addresses": addresses, "options": digest(doc.Options),
		})
	}
	return nil
}

func (t *taker) plugins(ctx context.Context, e Engine) error {
	all, err := e.Plugins(ctx)
	for _, p := range all {
		t.add("plugin", p.ID, p.Name, map[string]string{"enabled": strconv.FormatBool(p.Enabled)})
	}
	return err
}

// digest stands for a document, however it is spaced.
func digest(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		b.Write(raw)
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:8])
}

func pairs(m map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, fmt.Sprintf("%q=%q", k, m[k]))
	}
	return strings.Join(all, " ")
}

// differences says in words how is differs from v.
func (v *Inventory) differences(is *Inventory) []string {
	type key struct{ kind, id string }
	now := map[key]Object{}
	for _, o := range is.Objects {
		now[key{o.Kind, o.ID}] = o
	}
	var found []string
	for _, was := range v.Objects {
		k := key{was.Kind, was.ID}
		o, ok := now[k]
		delete(now, k)
		if !ok {
			found = append(found, fmt.Sprintf("%s %s is missing", was.Kind, was.Name))
			continue
		}
		for _, f := range slices.Sorted(maps.Keys(was.Fields)) {
			if was.Fields[f] != o.Fields[f] {
				found = append(found, fmt.Sprintf("%s %s: %s was %q, is %q", was.Kind, was.Name, f, was.Fields[f], o.Fields[f]))
			}
		}
	}
	var more []string
	for _, o := range now {
		more = append(more, fmt.Sprintf("%s %s was not there before", o.Kind, o.Name))
	}
	slices.Sort(more)
	return append(found, more...)
}

// endsUp is the data-root that an engine must name after the move.
func endsUp(s preflight.Store, e preflight.Engine) string {
	if e.UserNS != "" {
		return s.To + "/" + e.UserNS
	}
	return s.To
}

var _ Engine = (*engine.Engine)(nil)
