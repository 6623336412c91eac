package prune

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"davit/engine"
	"davit/engine/hostfs"
)

// graph reads the layers of a graph driver from its own books below the data-root.
type graph struct {
	*stack
	facts  *Facts
	images string                   // …/image/overlay2
	layers string                   // …/overlay2, when layers are to be measured; "" when the books are believed
	built  map[string]buildSnapshot // by the id of a record of the build cache
}

// buildSnapshot is where the build cache keeps a record: in a layer, or in a folder of its own.
type buildSnapshot struct{ chain, folder string }

func (r *reading) readGraph(ctx context.Context) layers {
	g := graph{newStack(r.images), r.facts, filepath.Join(r.info.DataRoot, "image", r.info.Driver), "", map[string]buildSnapshot{}}
	switch {
	case r.options.Exact && r.info.Driver == "overlay2":
		g.layers = filepath.Join(r.info.DataRoot, "overlay2")
	case r.options.Exact:
		r.note("layers of driver %s cannot be measured: their bytes are those of the engine's books", r.info.Driver)
	}
	if len(r.cache) > 0 {
		if err := g.readBuilds(r.info.DataRoot); err != nil {
			r.note("layers of the build cache are not known: %v", err)
		}
	}
	for _, units := range g.byImage {
		for _, unit := range units {
			if err := g.count(ctx, unit); err != nil {
				r.note("%s: %v", unit, err)
			}
		}
	}
	for id, made := range g.built {
		g.countBuild(ctx, id, made)
	}
	for _, img := range r.images {
		r.facts.Units["image:"+img.ID] = g.book(img.ID)
	}
	return g
}

// image is what an image holds: its layers, and the engine's book about it.
func (g graph) image(id string) []string { return append(g.stack.image(id), "image:"+id) }

// book is what the engine's book about an image takes: a config, and a folder of two or three small files.
func (g graph) book(id string) int64 {
	algorithm, hex, _ := strings.Cut(id, ":")
	config := filepath.Join(g.images, "imagedb", "content", filepath.Base(algorithm), filepath.Base(hex))
	about := filepath.Join(g.images, "imagedb", "metadata", filepath.Base(algorithm), filepath.Base(hex))
	var sum int64
	for _, path := range []string{config, about, filepath.Join(about, "parent"), filepath.Join(about, "lastUpdated")} {
		if st, err := hostfs.LstatPath(path); err == nil { // a size that is a block off does no harm
			sum += st.Blocks * 512
		}
	}
	return sum
}

// count fills in the bytes of a layer.
func (g graph) count(ctx context.Context, unit string) (err error) {
	if _, known := g.facts.Units[unit]; known {
		return nil
	}
	size, err := g.size(unit)
	if err == nil && g.layers != "" {
		size, err = g.measure(ctx, unit)
	}
	if err == nil {
		g.facts.Units[unit] = size
	}
	return err
}

// measure walks the folder of a layer, and that of the engine's book about it, which goes with it.
func (g graph) measure(ctx context.Context, unit string) (int64, error) {
	id, err := os.ReadFile(filepath.Join(g.layer(unit), "cache-id"))
	if err != nil {
		return 0, fmt.Errorf("find its folder: %w", err)
	}
	layer, err := diskUsage(ctx, filepath.Join(g.layers, filepath.Base(strings.TrimSpace(string(id)))))
	if err != nil {
		return 0, err
	}
	book, err := diskUsage(ctx, g.layer(unit))
	return layer + book, err
}

// layer is the folder of a layer's book.
func (g graph) layer(unit string) string {
	algorithm, hex, _ := strings.Cut(strings.TrimPrefix(unit, "layer:"), ":")
	return filepath.Join(g.images, "layerdb", filepath.Base(algorithm), filepath.Base(hex))
}

func (g graph) size(unit string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.layer(unit), "size"))
	if err != nil {
		return 0, fmt.Errorf("read its size: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// arrived is when the engine wrote the image's config: it never writes it again.
func (g graph) arrived(id string) time.Time {
	algorithm, hex, _ := strings.Cut(id, ":")
	st, err := os.Stat(filepath.Join(g.images, "imagedb", "content", filepath.Base(algorithm), filepath.Base(hex)))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime().UTC()
}

// readBuilds reads the book in which the build cache says what it made through the storage driver.
func (g graph) readBuilds(dataRoot string) error {
	return readBolt(filepath.Join(dataRoot, "buildkit", "snapshots.db"), func(b bucket) error {
		return b.each(func(key string, in bucket) error {
			made := buildSnapshot{in.text("chainid"), in.text("committed")}
			if made.folder == "" {
				made.folder = key
			}
			g.built[key] = made
			return nil
		})
	})
}

// countBuild fills in the bytes of what the build cache holds: the layers that a record became, or its own folder. A
// layer that is gone is left out: the record follows soon.
func (g graph) countBuild(ctx context.Context, id string, made buildSnapshot) {
	for chain := made.chain; chain != ""; chain = g.parent(chain) {
		_ = g.count(ctx, "layer:"+chain)
	}
	if made.chain != "" || g.layers == "" {
		return
	}
	if n, err := diskUsage(ctx, filepath.Join(g.layers, filepath.Base(made.folder))); err == nil {
		g.facts.Units["cache:"+id] = n
	}
}

// cache is what a record holds.
func (g graph) cache(c engine.CacheRecord) []string {
	made, ok := g.built[c.ID]
	if !ok || made.chain == "" {
		unit := "cache:" + c.ID
		if _, measured := g.facts.Units[unit]; measured {
			return []string{unit}
		}
		return plainCache(g.facts, c)
	}
	var units []string
	for chain := made.chain; chain != ""; chain = g.parent(chain) {
		units = append(units, "layer:"+chain)
	}
	return units
}

// parent is the layer below one, "" for the lowest.
func (g graph) parent(chain string) string {
	text, err := os.ReadFile(filepath.Join(g.layer("layer:"+chain), "parent"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
