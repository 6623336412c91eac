package backup

import (
	"encoding/json"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/archive"
	"davit/backup/repo"
	"davit/engine/hostfs"
)

// cachedImage is an image item as this host stored it.
type cachedImage struct {
	Desc        ocispec.Descriptor `json:"desc"`
	Annotations map[string]string  `json:"annotations"`
}

// imageCachePath is where a host remembers the images of an encrypted repository, whose snapshots it need not
// be able to read; "" remembers none.
func imageCachePath(env *Env) string {
	if env.CacheDir == "" || !env.Repo.Encrypted() {
		return ""
	}
	return filepath.Join(env.CacheDir, "trees", env.Repo.Config().ID, "images.json")
}

// cachedImages is what the last run stored. A file that is lost or damaged makes the engine export again.
func cachedImages(env *Env) []cachedImage {
	path := imageCachePath(env)
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var list []cachedImage
	if json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

// cacheImages remembers the images of a snapshot.
func cacheImages(env *Env, items []repo.Item) error {
	path := imageCachePath(env)
	if path == "" {
		return nil
	}
	list := []cachedImage{}
	for _, it := range items {
		if it.Kind == KindImage {
			list = append(list, cachedImage{Desc: it.Desc, Annotations: it.Annotations})
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return hostfs.WriteFile(path, data, 0o600)
}

// knownImages is the images that snapshots hold, as far as they can be read, and those that the last run
// stored.
func knownImages(env *Env, items []repo.Item) []archive.ImageItem {
	var list []archive.ImageItem
	add := func(desc ocispec.Descriptor, annotations map[string]string) {
		if img, err := archive.ParseItem(desc, annotations); err == nil { // else only a newer davit can read it whole
			list = append(list, img)
		}
	}
	for _, it := range items {
		add(it.Desc, it.Annotations)
	}
	for _, c := range cachedImages(env) {
		add(c.Desc, c.Annotations)
	}
	return list
}
