package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// part collects what becomes one part manifest.
type part struct {
	layers    []repo.Blob
	pieces    []piece
	lineBytes int // plain catalog lines so far
}

// A piece is what a part holds of one unit: its run, some of its big file's
// chunks, or both.
type piece struct {
	unit    *unit
	hasRun  bool
	from    int // first chunk of the big file in this part
	chunks  int
	trailer bool
}

// offset is where the piece begins in the stored content of its big file.
func (p *piece) offset() int64 {
	var n int64
	for _, ref := range p.unit.chunks[:p.from] {
		n += ref.blob.Len
	}
	return n
}

func (p *part) begin(u *unit) {
	p.pieces = append(p.pieces, piece{unit: u, hasRun: true})
	p.lineBytes += u.lineBytes
}

// continueBig counts chunk i of u's big file to the part; the first one after a
// part's end begins a piece of its own.
func (p *part) continueBig(u *unit, i int) {
	if n := len(p.pieces); n == 0 || p.pieces[n-1].unit != u {
		p.pieces = append(p.pieces, piece{unit: u, from: i})
	}
	p.pieces[len(p.pieces)-1].chunks++
}

func (p *part) end() { p.pieces = append(p.pieces, piece{trailer: true}) }

func (p *part) reset() { *p = part{} }

// cached tells whether nothing in the part was read in this pass.
func (p *part) cached() bool {
	for _, piece := range p.pieces {
		if !piece.trailer && piece.unit.cached == nil {
			return false
		}
	}
	return true
}

func (p *part) fingerprint() fingerprint {
	b := []byte("part 1")
	for _, piece := range p.pieces {
		if piece.trailer {
			b = append(b, "end"...)
			continue
		}
		b = append(b, piece.unit.runPrint[:]...)
		b = append(b, piece.unit.bigPrint[:]...)
		b = strconv.AppendBool(b, piece.hasRun)
		b = binary.AppendVarint(b, int64(piece.from))
		b = binary.AppendVarint(b, int64(piece.chunks))
	}
	return sha256.Sum256(b)
}

// partManifest is the OCI manifest of a part: the catalog segment is its config,
// the chunks are its layers.
func partManifest(catalog repo.Digest, stored, plain int64, layers []repo.Blob) ([]byte, error) {
	m := ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: repo.ArtifactTypePart,
		Config: ocispec.Descriptor{
			MediaType: repo.MediaTypeCatalog, Digest: catalog.OCI(), Size: stored,
			Annotations: map[string]string{repo.AnnotationLen: strconv.FormatInt(plain, 10)},
		},
		Layers: make([]ocispec.Descriptor, len(layers)),
	}
	for i, blob := range layers {
		m.Layers[i] = ocispec.Descriptor{
			MediaType: repo.MediaTypeChunk, Digest: blob.Digest.OCI(), Size: blob.Stored,
			Annotations: map[string]string{
				repo.AnnotationID:  blob.ID.String(),
				repo.AnnotationLen: strconv.FormatInt(blob.Len, 10),
			},
		}
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode part: %w", err)
	}
	return data, nil
}

func partDescriptor(d repo.Digest, size int64) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: repo.ArtifactTypePart,
		Digest: d.OCI(), Size: size,
	}
}
