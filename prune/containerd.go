package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/engine"
	"davit/engine/hostfs"
)

// namespace is where an engine keeps its things in containerd.
const namespace = "moby"

// maxManifest bounds a manifest or config that is read.
const maxManifest = 8 << 20

// contentStore reads the images and layers of a containerd image store from its own books: each layer is there twice, as
// the blob that was pulled and as the snapshot that it was unpacked to. To ask the engine instead takes minutes where
// there are many layers, as it looks at every one of them for every image.
type contentStore struct {
	facts    *Facts
	root     string
	named    map[string]*storedImage // by digest
	byImage  map[string][]string
	leases   map[string][]string // lease -> units
	snaps    map[string]snapshot // by the engine's key
	snapRoot string
	uppers   map[string]string
	blobs    map[string]int64 // what was looked at; -1 for what is not there
}

// openContainerd reads the books of an engine's containerd.
func (r *reading) openContainerd() (*contentStore, error) {
	s := &contentStore{
		facts: r.facts, root: r.info.ContainerdRoot, named: map[string]*storedImage{}, byImage: map[string][]string{},
		leases: map[string][]string{}, snaps: map[string]snapshot{}, uppers: map[string]string{}, blobs: map[string]int64{},
	}
	s.snapRoot = filepath.Join(s.root, "io.containerd.snapshotter.v1."+r.info.Driver)
	if err := s.readSnapshots(); err != nil {
		return nil, err
	}
	return s, s.readMeta()
}

func (r *reading) readContainerd(ctx context.Context) layers {
	s := r.store
	if r.options.Exact {
		s.measure(ctx)
	}
	for _, c := range r.containers {
		if snap, ok := s.snaps[c.ID]; ok {
			s.uppers[c.ID] = filepath.Join(s.snapRoot, "snapshots", snap.folder, "fs")
		}
	}
	s.pinLeases(r)
	return s
}

// readImage notes the blobs and snapshots that an image holds, and returns its configs.
func (s *contentStore) readImage(id string) []imageConfig {
	w := imageWalk{store: s}
	w.walk(id, 0)
	slices.Sort(w.units)
	s.byImage[id] = slices.Compact(w.units)
	return w.configs
}

// imageWalk is one run of readImage.
type imageWalk struct {
	store   *contentStore
	units   []string
	configs []imageConfig
}

// imageConfig is what a config says of one platform of an image.
type imageConfig struct {
	OS           string
	Architecture string
	Config       struct{ Labels map[string]string }
	RootFS       struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// walk follows a manifest or index to everything below it that is on this host.
func (w *imageWalk) walk(digest string, depth int) {
	s := w.store
	size, ok := s.blob(digest)
	if !ok || depth > 8 {
		return
	}
	w.units = append(w.units, s.unit("blob:"+digest, size))
	if size > maxManifest {
		return
	}
	data, err := os.ReadFile(s.path(digest))
	if err != nil {
		return
	}
	var doc struct {
		Manifests []ocispec.Descriptor
		Config    *ocispec.Descriptor
		Layers    []ocispec.Descriptor
	}
	if json.Unmarshal(data, &doc) != nil {
		return
	}
	for _, m := range doc.Manifests {
		w.walk(m.Digest.String(), depth+1)
	}
	for _, l := range doc.Layers {
		if size, ok := s.blob(l.Digest.String()); ok {
			w.units = append(w.units, s.unit("blob:"+l.Digest.String(), size))
		}
	}
	if doc.Config != nil {
		w.config(doc.Config.Digest.String())
	}
}

// config adds a config and the snapshots of the layers it names.
func (w *imageWalk) config(digest string) {
	s := w.store
	size, ok := s.blob(digest)
	if !ok {
		return
	}
	w.units = append(w.units, s.unit("blob:"+digest, size))
	if size > maxManifest {
		return
	}
	data, err := os.ReadFile(s.path(digest))
	var config imageConfig
	if err != nil || json.Unmarshal(data, &config) != nil {
		return
	}
	for _, id := range slices.Backward(chain(config.RootFS.DiffIDs)) { // the highest that is unpacked has all below it
		if units := s.closure(id); len(units) > 0 {
			w.units = append(w.units, units...)
			break
		}
	}
	w.configs = append(w.configs, config)
}

// closure is a snapshot with all below it.
func (s *contentStore) closure(key string) []string {
	var units []string
	for range 1000 { // more than any stack of layers
		snap, ok := s.snaps[key]
		if !ok {
			break
		}
		units = append(units, s.unit("layer:"+key, snap.bytes))
		key = snap.parent
	}
	return units
}

func (s *contentStore) unit(name string, bytes int64) string {
	if _, known := s.facts.Units[name]; !known {
		s.facts.Units[name] = bytes
	}
	return name
}

func (s *contentStore) path(digest string) string {
	algorithm, hex, _ := strings.Cut(digest, ":")
	return filepath.Join(s.root, "io.containerd.content.v1.content", "blobs", filepath.Base(algorithm), filepath.Base(hex))
}

// blob is what a blob takes on the disk.
func (s *contentStore) blob(digest string) (int64, bool) {
	size, known := s.blobs[digest]
	if !known {
		size = -1
		if strings.Contains(digest, ":") {
			if st, err := hostfs.StatPath(s.path(digest)); err == nil {
				size = st.Blocks * 512
			}
		}
		s.blobs[digest] = size
	}
	return size, size >= 0
}

func (s *contentStore) image(id string) []string { return slices.Clone(s.byImage[id]) }

func (s *contentStore) container(c engine.Container) []string {
	snap, ok := s.snaps[c.ID]
	if !ok {
		return nil
	}
	return s.closure(snap.parent)
}

// cache is what the leases of a record hold.
func (s *contentStore) cache(c engine.CacheRecord) []string {
	var units []string
	found := false
	for lease, held := range s.leases {
		if recordOf(lease) == c.ID {
			units, found = append(units, held...), true
		}
	}
	if !found {
		return plainCache(s.facts, c)
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// recordOf is the record of the build cache, or the container, that a lease belongs to: a record has two more, for the
// other forms in which it keeps its layer, and for mounts of it.
func recordOf(lease string) string {
	lease = strings.TrimSuffix(lease, "-variants")
	return strings.TrimSuffix(lease, "-view")
}

func (s *contentStore) upperDir(container string) string { return s.uppers[container] }

// arrived is when the image's blob was written.
func (s *contentStore) arrived(id string) time.Time {
	st, err := os.Stat(s.path(id))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime().UTC()
}

// pinLeases says of units that a lease of nobody we know holds that they stay: a pull or a build under way.
func (s *contentStore) pinLeases(r *reading) {
	known := map[string]bool{}
	for _, c := range r.containers {
		known[c.ID] = true
	}
	for _, c := range r.cache {
		known[c.ID] = true
	}
	for lease, units := range s.leases {
		for _, u := range units {
			if !known[recordOf(lease)] {
				s.facts.Foreign[u] = "lease " + lease
			}
		}
	}
}

var errNoBucket = errors.New("its database has no such bucket")

// readSnapshots reads the snapshotter's own book.
func (s *contentStore) readSnapshots() error {
	return readBolt(filepath.Join(s.snapRoot, "metadata.db"), func(b bucket) error {
		list, ok := b.at("v1", "snapshots")
		if !ok {
			return fmt.Errorf("read snapshots: %w", errNoBucket)
		}
		return list.each(func(key string, snap bucket) error {
			// moby/12/sha256:…
			parts := strings.SplitN(key, "/", 3)
			if len(parts) != 3 || parts[0] != namespace {
				return nil
			}
			parent := snap.text("parent")
			if p := strings.SplitN(parent, "/", 3); len(p) == 3 {
				parent = p[2]
			}
			s.snaps[parts[2]] = snapshot{fmt.Sprint(snap.number("id")), parent, int64(snap.number("size"))}
			return nil
		})
	})
}

// snapshot is one unpacked layer.
type snapshot struct {
	folder, parent string
	bytes          int64
}

// readMeta finds who else holds what: leases, and the other namespaces of a containerd that serves several.
func (s *contentStore) readMeta() error {
	file := filepath.Join(s.root, "io.containerd.metadata.v1.bolt", "meta.db")
	return readBolt(file, func(b bucket) error {
		all, ok := b.at("v1")
		if !ok {
			return fmt.Errorf("read namespaces: %w", errNoBucket)
		}
		return all.each(func(ns string, b bucket) error {
			if ns != namespace {
				blobs, _ := b.at("content", "blob")
				return blobs.each(func(digest string, _ bucket) error {
					s.facts.Foreign["blob:"+digest] = "containerd namespace " + ns
					return nil
				})
			}
			images, _ := b.at("images")
			if err := images.each(s.noteImage); err != nil {
				return err
			}
			leases, _ := b.at("leases")
			return leases.each(func(lease string, b bucket) error {
				s.leases[lease] = s.leased(b)
				return nil
			})
		})
	})
}

func (s *contentStore) leased(b bucket) []string {
	units := []string{}
	content, _ := b.at("content")
	for _, digest := range content.keys() {
		if size, ok := s.blob(digest); ok {
			units = append(units, s.unit("blob:"+digest, size))
		}
	}
	snapshots, _ := b.at("snapshots")
	_ = snapshots.each(func(_ string, b bucket) error { // never fails
		for _, key := range b.keys() {
			units = append(units, s.closure(key)...)
		}
		return nil
	})
	slices.Sort(units)
	return slices.Compact(units)
}

// measure walks the folders of snapshots.
func (s *contentStore) measure(ctx context.Context) {
	for key, snap := range s.snaps {
		if _, used := s.facts.Units["layer:"+key]; !used {
			continue
		}
		if n, err := diskUsage(ctx, filepath.Join(s.snapRoot, "snapshots", snap.folder)); err == nil {
			s.facts.Units["layer:"+key] = n
		}
	}
}
