package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationName is where containerd looks for the name of an image in an archive.
const annotationName = "io.containerd.image.name"

// NameByDigest gives an image a name with a digest, name@sha256:…, and no tag: what a pull by digest leaves. There is no
// call for that. An engine with containerd's store takes such a name from an archive, which here holds nothing but the
// name of what is there already; from other engines it is errors.ErrUnsupported.
func (e *Engine) NameByDigest(ctx context.Context, id, name string) error {
	doc, err := e.api.ImageInspect(ctx, id)
	if err != nil {
		return e.wrap(err, "inspect image %s", id)
	}
	if doc.Descriptor == nil || doc.Descriptor.Digest.String() != doc.ID {
		return fmt.Errorf("name image %s: %w", id, errors.ErrUnsupported)
	}
	archive, err := namingArchive(*doc.Descriptor, name)
	if err != nil {
		return fmt.Errorf("name image %s: %w", id, err)
	}
	_, err = e.LoadImage(ctx, archive)
	return err
}

// namingArchive is an OCI layout without content.
func namingArchive(image ocispec.Descriptor, name string) (io.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(file string, doc any) error {
		data, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	image.Annotations = map[string]string{annotationName: name}
	return &b, errors.Join(
		put(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}),
		put(ocispec.ImageIndexFile, ocispec.Index{
			Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{image},
		}),
		w.Close(),
	)
}
