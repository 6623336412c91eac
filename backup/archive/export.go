package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Target is the form of archive that an engine can load.
type Target int

const (
	// TargetGraph is a docker archive with uncompressed layers: engines with
	// a graph store, from 20.10 on.
	TargetGraph Target = iota
	// TargetGraphZstd is a docker archive with the layers as they are stored:
	// engines with a graph store from version 23 on, which is less to send
	// and less in the engine's spool.
	TargetGraphZstd
	// TargetContainerd is an OCI layout: engines with the containerd store.
	TargetContainerd
)

// ExportImage is one image to send, with the tags it is to get.
type ExportImage struct {
	Desc   ocispec.Descriptor // of ImageItem
	Tags   []string           // "app:1"; without any the image is loaded untagged
	Absent []string           // of ImageItem
}

// ExportOptions says who is to load the archive.
type ExportOptions struct {
	Target Target
	// Platform of the engine: a graph store takes one image of those that an
	// index holds. Nil takes the only one.
	Platform *ocispec.Platform
}

// Export gives the archive of images as a stream for an engine to load. What
// several images share is sent once. Manifests are read before it returns, so
// that an image that cannot be sent is an error at once.
//
// A blob that is damaged ends the stream with an error that names it, before
// the archive is complete: the engine's load fails, and loads nothing. The
// caller closes the stream, which may be at any time; cancelling ctx ends it.
func Export(ctx context.Context, src Source, images []ExportImage, o ExportOptions) (io.ReadCloser, error) {
	p := &plan{src: src, o: o, seen: map[string]bool{}}
	add, finish := p.addDocker, p.finishDocker
	if o.Target == TargetContainerd {
		add, finish = p.addOCI, p.finishOCI
	}
	for _, image := range images {
		if err := add(ctx, image); err != nil {
			return nil, fmt.Errorf("export image %s: %w", image.name(), err)
		}
	}
	if err := finish(); err != nil {
		return nil, fmt.Errorf("export images: %w", err)
	}
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(p.write(ctx, pw)) }()
	return pr, nil
}

func (e *ExportImage) name() string {
	if len(e.Tags) > 0 {
		return e.Tags[0]
	}
	return e.Desc.Digest.String()
}

// plan is an archive before it is written: its entries in order.
type plan struct {
	src     Source
	o       ExportOptions
	seen    map[string]bool // names of entries
	entries []entry
	docker  []dockerEntry
	tops    []ocispec.Descriptor
}

// entry is one file of an archive.
type entry struct {
	name string
	size int64
	data []byte // the content; nil takes it from open
	open func(ctx context.Context) (io.ReadCloser, error)
}

// add plans an entry unless one has the name already: names tell the content.
func (p *plan) add(e entry) {
	if !p.seen[e.name] {
		p.seen[e.name] = true
		p.entries = append(p.entries, e)
	}
}

func (p *plan) addData(name string, data []byte) {
	p.add(entry{name: name, size: int64(len(data)), data: data})
}

// write writes the archive. The two blocks that end it are written only when
// all entries were.
func (p *plan) write(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	buf := make([]byte, 256<<10)
	for _, e := range p.entries {
		if err := e.write(ctx, tw, buf); err != nil {
			return fmt.Errorf("export %s: %w", e.name, err)
		}
	}
	return tw.Close()
}

func (e *entry) write(ctx context.Context, tw *tar.Writer, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	hdr := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: e.size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := tw.WriteHeader(hdr); err != nil {
		return err
	}
	if e.data != nil {
		_, err := tw.Write(e.data)
		return err
	}
	r, err := e.open(ctx)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(onlyWriter{tw}, r, buf)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if n != e.size {
		return fmt.Errorf("%d bytes where %d were announced", n, e.size)
	}
	return nil
}

// onlyWriter hides ReadFrom, so that the copy uses the buffer it is given.
type onlyWriter struct{ io.Writer }
