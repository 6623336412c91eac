//go:build integration

package prune

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// scaleStore writes images as an engine with overlay2 keeps them: to load thousands of layers takes such an engine many
// minutes.
type scaleStore struct {
	t    *testing.T
	root string
}

// writeScaleStore stops an engine and starts it again with the images.
func writeScaleStore(t *testing.T, d *enginetest.Dockerd) {
	t.Helper()
	d.Stop(t)
	s := &scaleStore{t, d.DataRoot}
	names := map[string]map[string]string{}
	for i := range scaleImages {
		id := s.image(i)
		ref := scaleRef(i)
		repository, _, _ := strings.Cut(ref, ":")
		if names[repository] == nil {
			names[repository] = map[string]string{}
		}
		names[repository][ref] = id
	}
	text, err := json.Marshal(map[string]any{"Repositories": names})
	if err != nil {
		t.Fatal(err)
	}
	s.write("image/overlay2/repositories.json", text)
	d.Start(t)
}

func (s *scaleStore) write(path string, content []byte) {
	s.t.Helper()
	path = filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scaleStore) image(i int) (id string) {
	s.t.Helper()
	var diffs, lower []string
	for n := range scaleLayers {
		name := scaleLayerName(i, n)
		layer, err := scaleLayer(name)
		if err != nil {
			s.t.Fatal(err)
		}
		diffs = append(diffs, sum(layer))
		lower = append([]string{s.layer(name, diffs, lower)}, lower...)
	}
	config, err := scaleConfig(diffs)
	if err != nil {
		s.t.Fatal(err)
	}
	id = sum(config)
	s.write("image/overlay2/imagedb/content/sha256/"+strings.TrimPrefix(id, "sha256:"), config)
	return id
}

// layer writes the last of some layers, if it is not there, and returns the driver's short name of it.
func (s *scaleStore) layer(name string, diffs, lower []string) (link string) {
	s.t.Helper()
	ids := chain(diffs)
	hex := strings.TrimPrefix(ids[len(ids)-1], "sha256:")
	link = strings.ToUpper(hex[:26])
	book, dir := "image/overlay2/layerdb/sha256/"+hex, "overlay2/"+hex
	if _, err := os.Stat(filepath.Join(s.root, book)); err == nil {
		return "l/" + link
	}
	content := scaleContent(name)
	s.write(dir+"/diff/"+name, content)
	s.write(dir+"/link", []byte(link))
	s.write(dir+"/committed", nil)
	if len(lower) > 0 {
		s.write(dir+"/lower", []byte(strings.Join(lower, ":")))
		s.write(book+"/parent", []byte(ids[len(ids)-2]))
		if err := os.MkdirAll(filepath.Join(s.root, dir, "work"), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	s.write(book+"/diff", []byte(diffs[len(diffs)-1]))
	s.write(book+"/cache-id", []byte(hex))
	s.write(book+"/size", []byte(fmt.Sprint(len(content))))
	if err := os.MkdirAll(filepath.Join(s.root, "overlay2/l"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink("../"+hex+"/diff", filepath.Join(s.root, "overlay2/l", link)); err != nil {
		s.t.Fatal(err)
	}
	return "l/" + link
}
