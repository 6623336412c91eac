package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"davit/backup/repo"
)

// Import reads an engine's save stream to its end and stores the images it
// holds. It does not close the stream.
//
// An error of the stream or of the repository gives no result. When single
// images are incomplete or damaged, the result holds the others, and the error
// joins one *ImageError for each; nothing refers to what was stored of them.
func Import(ctx context.Context, store Store, save io.Reader, o ImportOptions) (*ImportResult, error) {
	l, err := newLayers(store, o.Level)
	if err != nil {
		return nil, err
	}
	s := newStream(ctx, save)
	c := &contents{files: map[string]*file{}, links: map[string]string{}, docs: map[string][]byte{}}
	for {
		hdr, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		entry := &watched{r: s.tr}
		if err := c.take(ctx, l, hdr, entry); err != nil {
			if entry.err != nil {
				return nil, s.broken(entry.err)
			}
			return nil, fmt.Errorf("import %s: %w", hdr.Name, err)
		}
	}
	found, err := c.images(ctx, store, o)
	if found == nil {
		return nil, err
	}
	return &ImportResult{Images: found, BytesRead: s.n, NewLayers: l.fresh, NewBytes: l.bytes}, err
}

// watched keeps the error of reading apart from those of writing.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// contents is what an archive holds, by name.
type contents struct {
	files map[string]*file  // layers, configs, blobs
	links map[string]string // symlinks and hard links: name -> name
	docs  map[string][]byte // manifest.json, index.json: the tables of contents
	held  int64             // bytes of JSON documents in memory
}

const blobDir = "blobs/sha256/"

// take stores one entry, or passes it over.
func (c *contents) take(ctx context.Context, l *layers, hdr *tar.Header, r io.Reader) error {
	name := hdr.Name
	switch hdr.Typeflag {
	case tar.TypeSymlink:
		c.links[name] = path.Join(path.Dir(name), hdr.Linkname)
		return nil
	case tar.TypeLink:
		c.links[name] = path.Clean(hdr.Linkname)
		return nil
	case tar.TypeReg, tar.TypeGNUSparse:
	default:
		return nil
	}
	if c.files[name] != nil || c.docs[name] != nil {
		return errors.New("it is there twice")
	}
	switch hex, isBlob := strings.CutPrefix(name, blobDir); {
	case name == "manifest.json" || name == "index.json":
		doc, err := c.hold(r, hdr.Size, maxConfig)
		c.docs[name] = doc
		return err
	case isBlob:
		d, err := repo.ParseDigest("sha256:" + hex)
		if err != nil {
			return err
		}
		return c.blob(ctx, l, name, d, r, hdr.Size)
	case isLayerName(name):
		f, err := l.save(ctx, r, hdr.Size, nil)
		c.files[name] = f
		return err
	case path.Dir(name) == "." && path.Ext(name) == ".json":
		doc, err := c.hold(r, hdr.Size, maxConfig)
		c.files[name] = held(doc)
		return err
	}
	return nil
}

// isLayerName knows the names that layers have beside those of an OCI layout:
// docker's, skopeo's and podman's, kaniko's and bazel's.
func isLayerName(name string) bool {
	for _, end := range []string{"layer.tar", ".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// blob takes a file of an OCI layout. Those that list others are held until
// the archive's end, since they cannot be told by name from layers; and small
// ones, since an engine adds documents that no image needs.
func (c *contents) blob(ctx context.Context, l *layers, name string, d repo.Digest, r io.Reader, size int64) error {
	var head [1]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && err != io.EOF {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	if head[0] != '{' || size > maxConfig || c.held+size > maxMetadata {
		f, err := l.save(ctx, whole, size, &d)
		c.files[name] = f
		return err
	}
	doc, err := readDoc(whole, size)
	if err != nil {
		return err
	}
	if !lists(doc) && (size > maxSmall || !json.Valid(doc)) {
		f, err := l.save(ctx, bytes.NewReader(doc), size, &d)
		c.files[name] = f
		return err
	}
	f := held(doc)
	if f.digest != d {
		f.bad = fmt.Errorf("blob %s holds %s", d, f.digest)
	}
	c.files[name] = f
	return c.account(size)
}

// held is a document that goes into the repository as it is, once an image
// needs it.
func held(doc []byte) *file {
	d, n := repo.DigestOf(doc), int64(len(doc))
	return &file{digest: d, size: n, diff: repo.ID(d), length: n, stored: d, kept: n, doc: doc}
}

// lists says whether a document is an image's index, manifest or config.
func lists(doc []byte) bool {
	var probe struct {
		Manifests, Layers, Config, RootFS json.RawMessage
	}
	if json.Unmarshal(doc, &probe) != nil {
		return false
	}
	return probe.Manifests != nil || probe.Layers != nil || probe.Config != nil || probe.RootFS != nil
}

// hold reads a document that stays in memory.
func (c *contents) hold(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d allowed", size, limit)
	}
	if err := c.account(size); err != nil {
		return nil, err
	}
	return readDoc(r, size)
}

func (c *contents) account(size int64) error {
	if c.held += size; c.held > maxMetadata {
		return fmt.Errorf("more than %d bytes of JSON documents", maxMetadata)
	}
	return nil
}

// readDoc reads exactly size bytes; memory grows with what really comes.
func readDoc(r io.Reader, size int64) ([]byte, error) {
	var buf bytes.Buffer
	if n, err := io.Copy(&buf, io.LimitReader(r, size)); err != nil || n != size {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), nil
}

// file finds a file by the name that a table of contents has for it, through
// the archive's own links.
func (c *contents) file(name string) (*file, error) {
	clean, ok := inside(name)
	for range maxLinks {
		if !ok {
			return nil, fmt.Errorf("%q leads out of the archive", name)
		}
		if f := c.files[clean]; f != nil {
			return f, f.bad
		}
		target, linked := c.links[clean]
		if !linked {
			return nil, fmt.Errorf("%s is not in the archive", clean)
		}
		clean, ok = inside(target)
	}
	return nil, fmt.Errorf("%q is behind too many links", name)
}
