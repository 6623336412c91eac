package prune

import (
	"path/filepath"
	"slices"
	"testing"
)

// checkBooks compares the images that are read from the engine's books with what the engine says.
func (h *realHost) checkBooks(t *testing.T) {
	t.Helper()
	info, err := h.engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{info: info, facts: &Facts{Units: map[string]int64{}, Foreign: map[string]string{}}}
	if err := r.readImages(); err != nil {
		t.Fatal(err)
	}
	told, err := h.engine.AllImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != len(r.images) {
		t.Errorf("%d images in the books, and the engine has %d", len(r.images), len(told))
	}
	for _, want := range told {
		i := slices.IndexFunc(r.images, func(i heldImage) bool { return i.ID == want.ID })
		if i < 0 {
			t.Errorf("image %s %v is not in the books", want.ID, want.Tags)
			continue
		}
		got, doc := r.images[i], readImageDoc(want.Raw)
		if !slices.Equal(got.Tags, want.Tags) || !slices.Equal(got.Digests, want.Digests) || !slices.Equal(got.DiffIDs, want.DiffIDs) {
			t.Errorf("image %s is %v %v %v, and the engine says %v %v %v", want.ID, got.Tags, got.Digests, got.DiffIDs, want.Tags, want.Digests, want.DiffIDs)
		}
		if len(got.Labels) != len(want.Labels) || got.parent != doc.Parent || !got.tagged.Equal(doc.Metadata.LastTagTime) {
			t.Errorf("image %s: labels %v parent %q tagged %v, and the engine says %v %q %v", want.ID, got.Labels, got.parent, got.tagged,
				want.Labels, doc.Parent, doc.Metadata.LastTagTime)
		}
	}
	ids := folderNames(filepath.Join(info.DataRoot, "containers"))
	if len(ids) != info.Containers {
		t.Errorf("%d folders of containers, and the engine has %d", len(ids), info.Containers)
	}
}
