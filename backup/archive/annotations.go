package archive

import (
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// The annotations that an item of a snapshot has for its image. Lists are
// separated by spaces, which neither references nor digests hold.
const (
	annotationImageID  = "davit.image.id"
	annotationStore    = "davit.image.store"
	annotationTags     = "davit.image.tags"
	annotationDigests  = "davit.image.digests"
	annotationPlatform = "davit.image.platform"
	annotationAbsent   = repo.AnnotationAbsent
)

// Annotations is what the item's place in a snapshot has to remember.
func (i *ImageItem) Annotations() map[string]string {
	a := map[string]string{annotationImageID: i.ID, annotationStore: string(i.Kind)}
	for key, value := range map[string]string{
		annotationTags:     strings.Join(i.Tags, " "),
		annotationDigests:  strings.Join(i.RepoDigests, " "),
		annotationPlatform: i.Platform,
		annotationAbsent:   strings.Join(i.Absent, " "),
	} {
		if value != "" {
			a[key] = value
		}
	}
	return a
}

// ParseItem is the inverse of Annotations.
func ParseItem(desc ocispec.Descriptor, a map[string]string) (ImageItem, error) {
	item := ImageItem{
		ID:          a[annotationImageID],
		Kind:        StoreKind(a[annotationStore]),
		Tags:        strings.Fields(a[annotationTags]),
		RepoDigests: strings.Fields(a[annotationDigests]),
		Platform:    a[annotationPlatform],
		Absent:      strings.Fields(a[annotationAbsent]),
		Desc:        desc,
	}
	if item.Kind != Graph && item.Kind != Containerd {
		return ImageItem{}, fmt.Errorf("read image item %s: unknown store kind %q", desc.Digest, item.Kind)
	}
	return item, nil
}
