package diskscan

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// graphDriver is what the files of one storage driver say about images and layers. Layers are known by their chain id,
// which is a digest over a layer and all below it; each lies in a folder that is named by its cache id.
type graphDriver struct {
	name     string
	images   []ImageFacts
	chains   map[string][]string    // of the layers of an image, by its id; the lowest first
	layers   map[string]graphLayer  // by chain id
	removing []string               // cache ids of half-deleted layers
	mounts   map[string]graphMount  // by container id
	cached   map[string]bool        // cache ids that buildkit made
	pinned   map[string]bool        // chain ids that buildkit uses
	folders  func(id string) string // of a cache id, in the data-root
	top      string                 // where they are
	odd      []string               // names there that say what they are
}

type graphLayer struct{ cacheID, parent string }

type graphMount struct{ mountID, initID, parent string }

// drivers reads what is known about every storage driver that the engine has used.
func (r *storeReader) drivers() []*graphDriver {
	var all []*graphDriver
	for _, name := range r.names(r.at("image")) {
		d := &graphDriver{name: name, top: name, chains: map[string][]string{}}
		switch name {
		case "vfs":
			d.top = "vfs/dir"
		case "btrfs":
			d.top = "btrfs/subvolumes"
		}
		d.folders = func(id string) string { return d.top + "/" + id }
		d.layers, d.removing = r.layers(name)
		d.mounts = r.graphMounts(name)
		d.cached, d.pinned = r.graphCache()
		d.odd = r.names(r.at(d.top))
		r.graphImages(d)
		all = append(all, d)
	}
	return all
}

// layers reads layerdb.
func (r *storeReader) layers(driver string) (layers map[string]graphLayer, removing []string) {
	layers = map[string]graphLayer{}
	dir := r.at("image", driver, "layerdb", "sha256")
	for _, name := range r.names(dir) {
		l := graphLayer{cacheID: r.word(path.Join(dir, name, "cache-id")), parent: r.word(path.Join(dir, name, "parent"))}
		switch {
		case !isCacheID(l.cacheID):
		case isHexID(name):
			layers["sha256:"+name] = l
		default: // <digest>-<random>-removing
			removing = append(removing, l.cacheID)
		}
	}
	return layers, removing
}

// isCacheID accepts what can be the name of a layer's folder.
func isCacheID(id string) bool {
	return id != "" && !strings.ContainsAny(id, "/\x00") && id != "." && id != ".."
}

func (r *storeReader) graphMounts(driver string) map[string]graphMount {
	all := map[string]graphMount{}
	dir := r.at("image", driver, "layerdb", "mounts")
	for _, id := range r.names(dir) {
		word := func(name string) string { return r.word(path.Join(dir, id, name)) }
		all[id] = graphMount{mountID: word("mount-id"), initID: word("init-id"), parent: word("parent")}
	}
	return all
}

// graphCache reads which folders buildkit has made through the storage driver. A snapshot that was committed lies in
// the folder of that name, one that became an image's layer in that layer, any other in a folder of its own name.
func (r *storeReader) graphCache() (cached, pinned map[string]bool) {
	cached, pinned = map[string]bool{}, map[string]bool{}
	file := r.at("buildkit", "snapshots.db")
	r.problem(file, readBolt(file, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if chain := string(b.Get([]byte("chainid"))); chain != "" {
				pinned[chain] = true
			} else {
				cached[string(name)] = true
			}
			if committed := string(b.Get([]byte("committed"))); committed != "" {
				cached[committed] = true
			}
			return nil
		})
	}))
	return cached, pinned
}

// graphImages reads the images of a storage driver and the chain ids of their layers. Steps of builds, which have no
// name and are below other images, are left out: what they hold belongs to those.
func (r *storeReader) graphImages(d *graphDriver) {
	tags, pullable := r.repositories(d.name)
	dir := r.at("image", d.name, "imagedb")
	names := r.names(path.Join(dir, "content", "sha256"))
	parents := map[string]bool{}
	for _, name := range names {
		parents[r.word(path.Join(dir, "metadata", "sha256", name, "parent"))] = true
	}
	for _, name := range names {
		id := "sha256:" + name
		if !isHexID(name) || parents[id] && len(tags[id]) == 0 {
			continue
		}
		var conf struct {
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			} `json:"rootfs"`
		}
		if r.readJSON(path.Join(dir, "content", "sha256", name), &conf) {
			d.images = append(d.images, ImageFacts{ID: id, Tags: tags[id], Pullable: pullable[id]})
			d.chains[id] = chainIDs(conf.RootFS.DiffIDs)
		}
	}
}

// repositories reads the names of images.
func (r *storeReader) repositories(driver string) (tags map[string][]string, pullable map[string]bool) {
	var doc struct{ Repositories map[string]map[string]string }
	r.readJSON(r.at("image", driver, "repositories.json"), &doc)
	tags, pullable = map[string][]string{}, map[string]bool{}
	for _, refs := range doc.Repositories {
		for ref, id := range refs {
			if strings.Contains(ref, "@") {
				pullable[id] = true
			} else {
				tags[id] = append(tags[id], ref)
			}
		}
	}
	for _, t := range tags {
		slices.Sort(t)
	}
	return tags, pullable
}

// chainIDs folds the digests of layers, the lowest first.
func chainIDs(diffIDs []string) []string {
	var chains []string
	for i, id := range diffIDs {
		if i > 0 {
			sum := sha256.Sum256([]byte(chains[i-1] + " " + id))
			id = "sha256:" + hex.EncodeToString(sum[:])
		}
		chains = append(chains, id)
	}
	return chains
}

// claim gives each folder of a layer to whom it belongs.
func (d *graphDriver) claim(m *PlaceMap, x *index) {
	m.Claim(d.top, Owner{Kind: EngineFiles, Name: "metadata"})
	m.ClaimPrefix(d.top, "", Owner{Kind: Unknown, Name: "layers in " + d.top})
	m.Claim(d.folders("l"), Owner{Kind: EngineFiles, Name: "metadata"})
	halfDeleted := Owner{Kind: Leftover, Name: "half-deleted layers"}
	m.Claim("image/"+d.name+"/layerdb/tmp", halfDeleted)
	for _, name := range d.odd {
		if strings.HasSuffix(name, "-removing") {
			m.Claim(d.folders(name), halfDeleted)
		}
	}
	for _, id := range d.removing {
		m.Claim(d.folders(id), halfDeleted)
	}
	for id := range d.cached {
		if isCacheID(id) {
			m.Claim(d.folders(id), Owner{Kind: BuildCache, Name: "build cache"})
		}
	}
	images, containers := d.users(x)
	for chain, l := range d.layers {
		m.Claim(d.folders(l.cacheID), d.layerOwner(x, chain, images[chain], containers[chain]))
	}
	for id, mt := range d.mounts {
		for _, dir := range []string{mt.mountID, mt.initID} {
			if isCacheID(dir) {
				m.Claim(d.folders(dir), x.containerOwner(WritableLayer, id))
			}
		}
	}
}

// users says which images, and which containers without an image, use a layer.
func (d *graphDriver) users(x *index) (images, containers map[string][]string) {
	images, containers = map[string][]string{}, map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(d.chains)) {
		for _, chain := range d.chains[id] {
			images[chain] = append(images[chain], id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(d.mounts)) {
		for chain := d.mounts[id].parent; chain != ""; {
			containers[chain] = append(containers[chain], x.containerOwner(WritableLayer, id).Name)
			l, ok := d.layers[chain]
			if chain = l.parent; !ok {
				break
			}
		}
	}
	return images, containers
}

func (d *graphDriver) layerOwner(x *index, chain string, images, containers []string) Owner {
	switch {
	case len(images) > 0:
		return x.imagesOwner(Image, SharedLayers, images).heldIf(d.pinned[chain])
	case len(containers) > 0:
		return Owner{Kind: UnusedLayer, Name: "deleted image of " + strings.Join(containers, ", "), State: used, UsedBy: containers}
	case d.pinned[chain]:
		return Owner{Kind: BuildCache, Name: "build cache"}
	}
	return Owner{Kind: UnusedLayer, Name: "layers without an image", State: unused}
}
