package repo

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"encoding/json"
	"strconv"
)

// TestMain lets the test binary play the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DAVIT_TEST_WRITER"); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if actor := os.Getenv("DAVIT_TEST_ACTOR"); actor != "" {
		if err := playActor(actor, os.Getenv("DAVIT_TEST_REPO")); err != nil {
			fmt.Fprintln(os.Stderr, actor, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// clock is a time that a test moves by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 3, 0, 0, 5, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newRepo(t testing.TB) *Repository {
	t.Helper()
	return initAt(t, filepath.Join(t.TempDir(), "repo"), Options{Now: newClock().Now, Host: "nas"})
}

func initAt(t testing.TB, dir string, o Options) *Repository {
	t.Helper()
	r, err := Init(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// reopen is what another process sees.
func reopen(t testing.TB, r *Repository) *Repository {
	t.Helper()
	other, err := Open(r.Dir(), r.opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

func begin(t testing.TB, r *Repository) *Session {
	t.Helper()
	s, err := r.Begin(t.Context(), SessionInfo{Job: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// chunk is some content and an encoding of it that this package cannot tell
// from a real one.
type chunk struct {
	id     ID
	plain  int64
	stored []byte
}

func makeChunk(seed uint64, size int) chunk {
	r := rand.New(rand.NewPCG(seed, 1))
	stored := make([]byte, size)
	for i := range stored {
		stored[i] = byte(r.Uint32())
	}
	return chunk{id: ID(DigestOf(append([]byte("plain"), stored...))), plain: int64(size) + 5, stored: stored}
}

func put(t testing.TB, s *Session, c chunk) Blob {
	t.Helper()
	b, err := s.Put(t.Context(), c.id, c.plain, c.stored)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// putPart stores chunks and a part of them.
func putPart(ctx context.Context, s *Session, chunks ...chunk) (ocispec.Descriptor, error) {
	if s.repo.vault != nil {
		return putSealedPart(ctx, s, chunks...)
	}
	catalog, err := s.PutBlob(ctx, []byte("catalog of "+chunks[0].id.String()))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypePart,
		Config: ocispec.Descriptor{MediaType: MediaTypeCatalog, Digest: catalog.OCI(), Size: int64(len("catalog of ") + 64)},
	}
	for _, c := range chunks {
		b, err := s.Put(ctx, c.id, c.plain, c.stored)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		manifest.Layers = append(manifest.Layers, ocispec.Descriptor{
			MediaType: MediaTypeChunk, Digest: b.Digest.OCI(), Size: b.Stored,
			Annotations: map[string]string{AnnotationID: b.ID.String(), AnnotationLen: strconv.FormatInt(b.Len, 10)},
		})
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := s.PutBlob(ctx, data)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypePart, Digest: d.OCI(), Size: int64(len(data))}, err
}

// putSealedPart is putPart in an encrypted repository, where the catalog is a chunk as well.
func putSealedPart(ctx context.Context, s *Session, chunks ...chunk) (ocispec.Descriptor, error) {
	text := []byte("catalog of " + chunks[0].id.String())
	sealed, err := s.repo.Seal(nil, text)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	all := append([]chunk{{id: s.repo.ContentID(text), plain: int64(len(text)), stored: sealed}}, chunks...)
	var list []ocispec.Descriptor
	for i, c := range all {
		b, err := s.Put(ctx, c.id, c.plain, c.stored)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		mediaType := MediaTypeChunk
		if i == 0 {
			mediaType = MediaTypeCatalog
		}
		list = append(list, sealedDescriptor(mediaType, b))
	}
	data, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypePart,
		Config: list[0], Layers: list[1:],
	})
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := s.PutBlob(ctx, data)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactTypePart, Digest: d.OCI(), Size: int64(len(data))}, err
}

// putTree stores a volume of one part.
func putTree(ctx context.Context, s *Session, name string, chunks ...chunk) (Item, error) {
	part, err := putPart(ctx, s, chunks...)
	if err != nil {
		return Item{}, err
	}
	desc, err := BuildTreeItem(ctx, s, []ocispec.Descriptor{part}, map[string]string{"x": "y"})
	return Item{Kind: KindVolume, Name: name, Desc: desc}, err
}

func commitTree(t testing.TB, s *Session, name string, seed uint64) Snapshot {
	t.Helper()
	item, err := putTree(t.Context(), s, name, makeChunk(seed, 1000), makeChunk(seed+1, 50))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// checkWhole reads everything that every snapshot refers to.
func checkWhole(t testing.TB, r *Repository) []Snapshot {
	t.Helper()
	snaps, err := r.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, snap := range snaps {
		for _, item := range snap.Items {
			if item.Desc.ArtifactType != ArtifactTypeTree {
				continue
			}
			err := WalkParts(t.Context(), r, item.Desc, func(part ocispec.Descriptor) error { return checkPart(t, r, part) })
			if err != nil {
				t.Errorf("snapshot %s: %v", snap.ID, err)
			}
		}
	}
	return snaps
}

func checkPart(t testing.TB, r *Repository, part ocispec.Descriptor) error {
	manifest, err := ReadManifest(t.Context(), r, part)
	if err != nil {
		return err
	}
	for _, desc := range append(manifest.Layers, manifest.Config) {
		d, err := ParseDigest(desc.Digest.String())
		if err != nil {
			return err
		}
		data, err := r.ReadBlob(t.Context(), d, desc.Size, nil)
		if err != nil {
			return err
		}
		want, err := describedBlob(desc)
		if err != nil {
			return err
		}
		if b, ok := r.Lookup(want.ID); !ok || b != want || DigestOf(data) != d {
			return fmt.Errorf("blob %s is not in the index as %+v but as %+v", d, want, b)
		}
	}
	return nil
}

func blobFile(r *Repository, d Digest) string { return r.path(blobDir, d.Hex()) }

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, filePerm); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fileNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes, want %d others", what, len(got), len(want))
	}
}

// path is where a file of a repository in a folder is.
func (r *Repository) path(elem ...string) string {
	return filepath.Join(append([]string{r.Dir()}, elem...)...)
}
