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
)

// graph reads the layers of a graph driver from its own books below the data-root.
type graph struct {
	*stack
	facts  *Facts
	images string // …/image/overlay2
	folder map[string]string
}

func (r *reading) readGraph(ctx context.Context) layers {
	g := graph{newStack(r.images), r.facts, filepath.Join(r.info.DataRoot, "image", r.info.Driver), map[string]string{}}
	for _, units := range g.byImage {
		for _, unit := range units {
			if _, known := r.facts.Units[unit]; known {
				continue
			}
			size, err := g.size(unit)
			if err != nil {
				r.note("%s: %v", unit, err)
				continue
			}
			r.facts.Units[unit] = size
		}
	}
	if r.options.Exact {
		r.measureGraph(ctx, g)
	}
	return g
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

// measureGraph walks the folders of all layers, which takes the disk as long as it takes.
func (r *reading) measureGraph(ctx context.Context, g graph) {
	if r.info.Driver != "overlay2" {
		r.note("layers of driver %s cannot be measured: their bytes are those of the engine's books", r.info.Driver)
		return
	}
	for _, units := range g.byImage {
		for _, unit := range units {
			if g.folder[unit] != "" {
				continue
			}
			id, err := os.ReadFile(filepath.Join(g.layer(unit), "cache-id"))
			if err != nil {
				continue
			}
			g.folder[unit] = filepath.Join(r.info.DataRoot, "overlay2", filepath.Base(strings.TrimSpace(string(id))))
			if n, err := diskUsage(ctx, g.folder[unit]); err == nil {
				if n2, err := diskUsage(ctx, g.layer(unit)); err == nil {
					n += n2 // the engine's own books of the layer go with it
				}
				r.facts.Units[unit] = n
			}
		}
	}
}

// arrived is when the engine wrote the image's config: it never writes it again.
func (g graph) arrived(i engine.Image) time.Time {
	algorithm, hex, _ := strings.Cut(i.ID, ":")
	st, err := os.Stat(filepath.Join(g.images, "imagedb", "content", filepath.Base(algorithm), filepath.Base(hex)))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime().UTC()
}

func (g graph) cache(c engine.CacheRecord) []string { return plainCache(g.facts, c) }
