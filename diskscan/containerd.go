package diskscan

import (
	"encoding/binary"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"go.etcd.io/bbolt"
)

const (
	metaDatabase  = "io.containerd.metadata.v1.bolt/meta.db"
	contentFolder = "io.containerd.content.v1.content"
	snapshotter   = "io.containerd.snapshotter.v1."
	// dockerSpace is the namespace in which Docker keeps its things in a containerd.
	dockerSpace = "moby"
)

func looksLikeContainerd(path string) bool {
	return isFolder(filepath.Join(path, filepath.Dir(metaDatabase)))
}

// node is something containerd keeps: a blob, or a snapshot. What it needs is known from containerd's own labels for its
// garbage collector, and from the parents of snapshots.
type node struct {
	kind, name string // kind: content, or the name of a snapshotter
}

const contentNode = "content"

// containerdMeta is what a namespace of containerd's database says.
type containerdMeta struct {
	images   map[string]string // name -> digest
	needs    map[node][]node
	backend  map[node]string // the snapshotter's own key of a snapshot
	leases   map[string][]node
	external map[string]bool // digests that labels say came from a registry
	parents  map[string]bool // digests of images that others were built on, step by step
}

// mapContainerd says who owns what in a containerd root. The facts get the images.
func mapContainerd(path string, facts *Facts, live *Facts) (*PlaceMap, []ImageFacts, []Problem) {
	r := &storeReader{path: path}
	m := NewPlaceMap(Owner{Kind: ContainerdFiles, Name: "metadata"})
	spaces := r.namespaces()
	meta := r.containerdMeta(dockerSpace)
	images := meta.imageFacts()
	all := &Facts{Containers: facts.Containers, Images: slices.Concat(facts.Images, images)}
	if live != nil {
		all.Freshen(*live)
	}
	m.Claim(contentFolder+"/ingest", Owner{Kind: Leftover, Name: "unfinished downloads"})
	owners := meta.owners(all.index())
	for _, space := range spaces {
		if space != dockerSpace {
			other := r.containerdMeta(space)
			for n, o := range other.foreign(space) {
				if _, isDockers := owners[n]; !isDockers || n.kind != contentNode {
					owners[n] = o
				}
				meta.backend[n] = other.backend[n]
			}
		}
	}
	r.claimContainerd(m, meta, owners)
	return m, images, r.problems
}

// namespaces lists who keeps things in this containerd; Docker is only one of them.
func (r *storeReader) namespaces() (names []string) {
	file := r.at(metaDatabase)
	r.problem(file, readBolt(file, func(tx *bbolt.Tx) error {
		v1 := tx.Bucket([]byte("v1"))
		if v1 == nil {
			return nil
		}
		return v1.ForEachBucket(func(name []byte) error {
			names = append(names, string(name))
			return nil
		})
	}))
	return names
}

func (r *storeReader) containerdMeta(space string) *containerdMeta {
	c := &containerdMeta{
		images: map[string]string{}, needs: map[node][]node{}, backend: map[node]string{}, leases: map[string][]node{},
		external: map[string]bool{}, parents: map[string]bool{},
	}
	file := r.at(metaDatabase)
	// A database that cannot be read was told of when the namespaces were read.
	_ = readBolt(file, func(tx *bbolt.Tx) error {
		if b := bucketAt(tx, "v1", space); b != nil {
			c.read(b)
		}
		return nil
	})
	return c
}

func bucketAt(tx *bbolt.Tx, path ...string) *bbolt.Bucket {
	b := tx.Bucket([]byte(path[0]))
	for _, name := range path[1:] {
		if b == nil {
			return nil
		}
		b = b.Bucket([]byte(name))
	}
	return b
}

// eachBucket visits the buckets in a bucket; neither needs to be there.
func eachBucket(b *bbolt.Bucket, visit func(name string, sub *bbolt.Bucket)) {
	if b == nil {
		return
	}
	_ = b.ForEachBucket(func(name []byte) error { // the function gives no error
		visit(string(name), b.Bucket(name))
		return nil
	})
}

// eachValue visits the values in a bucket that may not be there.
func eachValue(b *bbolt.Bucket, visit func(key, value string)) {
	if b == nil {
		return
	}
	_ = b.ForEach(func(key, value []byte) error {
		if value != nil {
			visit(string(key), string(value))
		}
		return nil
	})
}

func (c *containerdMeta) read(space *bbolt.Bucket) {
	eachBucket(space.Bucket([]byte("images")), func(name string, b *bbolt.Bucket) {
		if target := b.Bucket([]byte("target")); target != nil {
			c.images[name] = string(target.Get([]byte("digest")))
		}
		if labels := b.Bucket([]byte("labels")); labels != nil {
			c.parents[string(labels.Get([]byte("org.mobyproject.image.parent")))] = true
		}
	})
	if content := space.Bucket([]byte("content")); content != nil {
		eachBucket(content.Bucket([]byte("blob")), func(digest string, b *bbolt.Bucket) {
			c.labels(node{contentNode, digest}, b)
		})
	}
	eachBucket(space.Bucket([]byte("snapshots")), func(driver string, b *bbolt.Bucket) {
		eachBucket(b, func(name string, s *bbolt.Bucket) {
			n := node{driver, name}
			c.backend[n] = string(s.Get([]byte("name")))
			c.labels(n, s)
			if parent := string(s.Get([]byte("parent"))); parent != "" {
				c.needs[n] = append(c.needs[n], node{driver, parent})
			}
		})
	})
	eachBucket(space.Bucket([]byte("leases")), func(id string, b *bbolt.Bucket) {
		eachValue(b.Bucket([]byte("content")), func(digest, _ string) {
			c.leases[id] = append(c.leases[id], node{contentNode, digest})
		})
		eachBucket(b.Bucket([]byte("snapshots")), func(driver string, s *bbolt.Bucket) {
			eachValue(s, func(name, _ string) { c.leases[id] = append(c.leases[id], node{driver, name}) })
		})
	})
}

// labels notes what containerd's labels say that n needs.
func (c *containerdMeta) labels(n node, b *bbolt.Bucket) {
	if _, known := c.needs[n]; !known {
		c.needs[n] = nil
	}
	eachValue(b.Bucket([]byte("labels")), func(key, value string) {
		if driver, ok := strings.CutPrefix(key, "containerd.io/gc.ref.snapshot."); ok {
			driver, _, _ = strings.Cut(driver, "/")
			c.needs[n] = append(c.needs[n], node{driver, value})
		}
		if strings.HasPrefix(key, "containerd.io/gc.ref.content") {
			c.needs[n] = append(c.needs[n], node{contentNode, value})
		}
		if strings.HasPrefix(key, "containerd.io/distribution.source.") {
			c.external[n.name] = true
		}
	})
}

// imageFacts lists the images, with all names that have the same target.
func (c *containerdMeta) imageFacts() []ImageFacts {
	tags := c.tags()
	var all []ImageFacts
	for _, digest := range slices.Sorted(maps.Keys(tags)) {
		if !c.isStep(digest, tags) {
			all = append(all, ImageFacts{ID: digest, Tags: tags[digest], Pullable: c.external[digest]})
		}
	}
	return all
}

// isStep reports whether an image without a name is only a step of a build.
func (c *containerdMeta) isStep(digest string, tags map[string][]string) bool {
	return c.parents[digest] && len(tags[digest]) == 0
}

// tags returns the names of each image, sorted; none for those that have lost theirs.
func (c *containerdMeta) tags() map[string][]string {
	tags := map[string][]string{}
	for name, digest := range c.images {
		if _, listed := tags[digest]; !listed {
			tags[digest] = nil
		}
		named, err := reference.ParseNormalizedNamed(name)
		if tagged, ok := named.(reference.Tagged); err == nil && ok && !strings.HasPrefix(name, "moby-dangling@") {
			tags[digest] = append(tags[digest], reference.FamiliarName(named)+":"+tagged.Tag())
		}
	}
	for _, t := range tags {
		slices.Sort(t)
	}
	return tags
}

// reach adds everything that from needs to found.
func (c *containerdMeta) reach(from []node, found map[node]bool) {
	for len(from) > 0 {
		n := from[len(from)-1]
		from = from[:len(from)-1]
		if found[n] {
			continue
		}
		found[n] = true
		from = append(from, c.needs[n]...)
	}
}

// owners says whom the blobs and snapshots of Docker's namespace belong to: images first, then containers, then what
// is leased, which is how buildkit holds its cache. The rest waits for containerd's garbage collector.
func (c *containerdMeta) owners(x *index) map[node]Owner {
	owners := map[node]Owner{}
	for n := range c.needs {
		owners[n] = Owner{Kind: UnusedLayer, Name: "waits for containerd's garbage collector", State: unused}
	}
	cached := c.cached()
	for n := range cached {
		owners[n] = Owner{Kind: BuildCache, Name: "build cache"}
	}
	for n, images := range c.imageUsers() {
		if n.kind == contentNode {
			owners[n] = x.imagesOwner(ImageContent, SharedContent, images)
		} else {
			owners[n] = x.imagesOwner(Image, SharedLayers, images)
		}
		owners[n] = owners[n].heldIf(cached[n])
	}
	for n := range c.backend {
		if id := strings.TrimSuffix(n.name, "-init"); isHexID(id) && c.leases[id] != nil {
			owners[n] = x.containerOwner(WritableLayer, id)
		}
	}
	return owners
}

// cached is what builds hold: by leases, and the steps of classic builds.
func (c *containerdMeta) cached() map[node]bool {
	found := map[node]bool{}
	for id, held := range c.leases {
		if !isHexID(id) { // a container's
			c.reach(held, found)
		}
	}
	tags := c.tags()
	for digest := range tags {
		if c.isStep(digest, tags) {
			c.reach([]node{{contentNode, digest}}, found)
		}
	}
	return found
}

// imageUsers says which images need a node.
func (c *containerdMeta) imageUsers() map[node][]string {
	users := map[node][]string{}
	for _, image := range c.imageFacts() {
		digest := image.ID
		found := map[node]bool{}
		c.reach([]node{{contentNode, digest}}, found)
		for n := range found {
			users[n] = append(users[n], digest)
		}
	}
	return users
}

// foreign gives what is in another namespace to that.
func (c *containerdMeta) foreign(space string) map[node]Owner {
	owner := Owner{Kind: ContainerdFiles, Name: "namespace " + space}
	if space == dockerSpace+"_history" {
		owner = Owner{Kind: BuildCache, Name: "build history"}
	}
	owners := map[node]Owner{}
	for n := range c.needs {
		owners[n] = owner
	}
	return owners
}

// claimContainerd gives the files of blobs and the folders of snapshots to their owners.
func (r *storeReader) claimContainerd(m *PlaceMap, meta *containerdMeta, owners map[node]Owner) {
	unknown := func(what string) Owner { return Owner{Kind: Unknown, Name: what} }
	m.Claim(contentFolder+"/blobs/sha256", Owner{Kind: ContainerdFiles, Name: "metadata"})
	m.ClaimPrefix(contentFolder+"/blobs/sha256", "", unknown("blobs in containerd's store"))
	folders := map[string]map[string]string{}
	for _, name := range r.names(r.path) {
		driver, ok := strings.CutPrefix(name, snapshotter)
		if !ok {
			continue
		}
		folders[driver] = r.snapshotFolders(driver)
		top := name + "/snapshots"
		m.Claim(top, Owner{Kind: ContainerdFiles, Name: "metadata"})
		m.ClaimPrefix(top, "", unknown("snapshots in containerd's store"))
		for _, prefix := range []string{"new-", "rm-"} {
			m.ClaimPrefix(top, prefix, Owner{Kind: Leftover, Name: "half-deleted layers"})
		}
	}
	for n, owner := range owners {
		if n.kind == contentNode {
			m.Claim(contentFolder+"/blobs/"+strings.Replace(n.name, ":", "/", 1), owner)
		} else if id := folders[n.kind][meta.backend[n]]; id != "" {
			m.Claim(snapshotter+n.kind+"/snapshots/"+id, owner)
		}
	}
}

// snapshotFolders reads a snapshotter's own database: the folder of each key.
func (r *storeReader) snapshotFolders(driver string) map[string]string {
	folders := map[string]string{}
	file := r.at(snapshotter+driver, "metadata.db")
	r.problem(file, readBolt(file, func(tx *bbolt.Tx) error {
		eachBucket(bucketAt(tx, "v1", "snapshots"), func(key string, b *bbolt.Bucket) {
			if id, n := binary.Uvarint(b.Get([]byte("id"))); n > 0 {
				folders[key] = strconv.FormatUint(id, 10)
			}
		})
		return nil
	}))
	return folders
}
