package prune

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"davit/engine"
)

// parentLabel is how an engine notes what it built an image on.
const parentLabel = "org.mobyproject.image.parent"

// storedImage is what containerd's book says of one digest: an engine's image is all names of it.
type storedImage struct {
	tags, digests []string
	parent        string
	updated       time.Time
}

// noteImage takes in one name of an image.
func (s *contentStore) noteImage(name string, in bucket) error {
	target, ok := in.at("target")
	if !ok {
		return fmt.Errorf("read image %s: %w", name, errNoBucket)
	}
	digest := target.text("digest")
	img := s.named[digest]
	if img == nil {
		img = &storedImage{}
		s.named[digest] = img
	}
	var updated time.Time
	if updated.UnmarshalBinary([]byte(in.text("updatedat"))) == nil && updated.After(img.updated) {
		img.updated = updated.UTC()
	}
	if labels, ok := in.at("labels"); ok && labels.text(parentLabel) != "" {
		img.parent = labels.text(parentLabel)
	}
	img.name(name, digest)
	return nil
}

// name adds a name as the engine shows it. An image without one is kept under a name that leads nowhere.
func (i *storedImage) name(name, digest string) {
	if strings.HasPrefix(name, "moby-dangling@") {
		return
	}
	named, err := reference.ParseNamed(name)
	if err != nil {
		i.tags = append(i.tags, name)
		return
	}
	if _, digested := named.(reference.Digested); !digested {
		i.tags = append(i.tags, reference.FamiliarString(named))
	}
	i.digests = append(i.digests, reference.FamiliarName(named)+"@"+digest)
}

// list returns the images as the engine would.
func (s *contentStore) list() []heldImage {
	var all []heldImage
	for digest, stored := range s.named {
		img := heldImage{parent: stored.parent, tagged: stored.updated}
		img.ID, img.Tags, img.Digests = digest, sorted(stored.tags), sorted(stored.digests)
		if c := ofThisHost(s.readImage(digest)); c != nil {
			img.Labels, img.DiffIDs, img.OS, img.Arch = c.Config.Labels, c.RootFS.DiffIDs, c.OS, c.Architecture
		}
		all = append(all, img)
	}
	slices.SortFunc(all, func(a, b heldImage) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// ofThisHost chooses the config of the platform that this host runs.
func ofThisHost(configs []imageConfig) *imageConfig {
	for i, c := range configs {
		if c.OS == runtime.GOOS && c.Architecture == runtime.GOARCH {
			return &configs[i]
		}
	}
	if len(configs) == 0 {
		return nil
	}
	return &configs[0]
}

// heldImage is an image with what engine.Image does not tell.
type heldImage struct {
	engine.Image
	parent string
	tagged time.Time // when it last got a name here
}
