package repo

import (
	"context"
	"errors"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// AnnotationAbsent lists, separated by spaces, the digests that a multi-platform
// image names and that were not on the host it was saved from.
const AnnotationAbsent = "davit.image.absent"

// graph is what snapshots consist of: every blob once, and what it names. It is
// strict: what cannot be read might name anything, so it is an error.
type graph struct {
	read  BlobReader
	at    map[Digest]int32
	nodes []graphNode
}

type graphNode struct {
	blob     Blob
	children []int32
	read     bool // a manifest whose children are known
}

func newGraph(r BlobReader) *graph { return &graph{read: r, at: make(map[Digest]int32)} }

func (g *graph) Has(d Digest) bool {
	_, ok := g.at[d]
	return ok
}

func (g *graph) blobs() []Blob {
	blobs := make([]Blob, len(g.nodes))
	for i, n := range g.nodes {
		blobs[i] = n.blob
	}
	return blobs
}

// addRef adds a snapshot and tells where its index is.
func (g *graph) addRef(ctx context.Context, f ref) (int32, error) {
	d, err := ParseDigest(f.Digest)
	if err != nil {
		return 0, err
	}
	return g.addSnapshot(ctx, d, f.Size)
}

func (g *graph) addSnapshot(ctx context.Context, d Digest, size int64) (int32, error) {
	w := graphWalk{graph: g}
	return w.add(ctx, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d.OCI(), Size: size}, 2*maxDepth)
}

// graphWalk adds one snapshot.
type graphWalk struct {
	graph  *graph
	absent map[string]bool // of the item that is being added
}

// add adds what desc describes and all below. The depth is a bound against
// hostile manifests. A blob that cannot be ours, or that the item says is
// absent, has the place -1.
func (w *graphWalk) add(ctx context.Context, desc ocispec.Descriptor, depth int) (int32, error) {
	if err := context.Cause(ctx); err != nil {
		return -1, err
	}
	b, err := describedBlob(desc)
	if err != nil {
		return -1, nil //nolint:nilerr // an algorithm that is not ours names no blob of ours
	}
	manifest := isIndexType(desc.MediaType) || isManifestType(desc.MediaType)
	n, known := w.graph.at[b.Digest]
	if known && (w.graph.nodes[n].read || !manifest) {
		return n, nil
	}
	if !manifest {
		return w.graph.put(b), nil
	}
	if depth == 0 {
		return -1, &DamagedError{Digest: b.Digest, Reason: "is nested too deep"}
	}
	if w.absent[desc.Digest.String()] {
		return -1, nil
	}
	below, err := childrenOf(ctx, w.graph.read, desc)
	if err != nil {
		return -1, err
	}
	children, err := w.addAll(ctx, below, depth-1)
	if err != nil {
		return -1, err
	}
	n = w.graph.put(b)
	w.graph.nodes[n].children, w.graph.nodes[n].read = children, true
	return n, nil
}

func (w *graphWalk) addAll(ctx context.Context, list []ocispec.Descriptor, depth int) ([]int32, error) {
	children := make([]int32, 0, len(list))
	for _, desc := range list {
		within := *w
		if absent := absentIn(desc); absent != nil {
			within.absent = absent
		}
		n, err := within.add(ctx, desc, depth)
		if err != nil {
			return nil, err
		}
		if n >= 0 {
			children = append(children, n)
		}
	}
	return children, nil
}

// absentIn is what an item says is absent, nil where it says nothing.
func absentIn(desc ocispec.Descriptor) map[string]bool {
	list, ok := desc.Annotations[AnnotationAbsent]
	if !ok {
		return nil
	}
	absent := make(map[string]bool)
	for _, d := range strings.Fields(list) {
		absent[d] = true
	}
	return absent
}

func (g *graph) put(b Blob) int32 {
	if n, ok := g.at[b.Digest]; ok {
		return n
	}
	n := int32(len(g.nodes))
	g.at[b.Digest] = n
	g.nodes = append(g.nodes, graphNode{blob: b})
	return n
}

// addLoose keeps what a manifest names that no snapshot does, so that whoever
// finds it in the index finds all of it. Data that is no manifest names nothing,
// and what cannot be read its finder cannot read either.
func (g *graph) addLoose(ctx context.Context, b Blob, depth int) error {
	if b.Stored > MaxManifest || depth == 0 {
		return nil
	}
	data, err := g.read.ReadBlob(ctx, b.Digest, b.Stored, nil)
	if damaged := (*DamagedError)(nil); errors.As(err, &damaged) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, desc := range namedIn(b.Digest, data) {
		child, err := describedBlob(desc)
		if err != nil || g.Has(child.Digest) {
			continue
		}
		g.put(child)
		if !isIndexType(desc.MediaType) && !isManifestType(desc.MediaType) {
			continue
		}
		if err := g.addLoose(ctx, child, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// namedIn is what a document names, whichever kind of manifest it is.
func namedIn(d Digest, data []byte) []ocispec.Descriptor {
	if index, err := DecodeIndex(d, data); err == nil {
		return index.Manifests
	}
	if manifest, err := DecodeManifest(d, data); err == nil {
		return append(manifest.Layers, manifest.Config)
	}
	return nil
}

// childrenOf is what a manifest names; what is none names nothing.
func childrenOf(ctx context.Context, r BlobReader, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	switch {
	case isIndexType(desc.MediaType):
		index, err := ReadIndex(ctx, r, desc)
		return index.Manifests, err
	case isManifestType(desc.MediaType):
		manifest, err := ReadManifest(ctx, r, desc)
		if err != nil {
			return nil, err
		}
		return append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...), nil
	}
	return nil, nil
}

// below calls visit for a node and all below it, each once. The marks, one for
// each node, tell which were visited under this number.
func (g *graph) below(n int32, marks []int32, mark int32, visit func(int32)) {
	if marks[n] == mark {
		return
	}
	marks[n] = mark
	visit(n)
	for _, child := range g.nodes[n].children {
		g.below(child, marks, mark, visit)
	}
}
