package repo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"davit/backup/repo/storage"
)

// What was put is read back, is found at once in this process, and by others
// after Sync only.
func TestPutSyncLookup(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	c := makeChunk(1, 70_000)
	b := put(t, s, c)
	want := Blob{ID: c.id, Digest: DigestOf(c.stored), Len: c.plain, Stored: 70_000}
	if b != want {
		t.Fatalf("Put = %+v, want %+v", b, want)
	}
	if got, ok := r.Lookup(c.id); !ok || got != want {
		t.Errorf("Lookup = %+v, %v", got, ok)
	}
	if _, ok := reopen(t, r).Lookup(c.id); ok {
		t.Error("another process finds what is not durable")
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := reopen(t, r)
	if got, ok := other.Lookup(c.id); !ok || got != want {
		t.Errorf("after Sync another process finds %+v, %v", got, ok)
	}
	data, err := other.ReadBlob(t.Context(), b.Digest, b.Stored, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "blob", data, c.stored)
	if b2, err := s.Put(t.Context(), c.id, c.plain, []byte("another encoding")); err != nil || b2 != want {
		t.Errorf("second Put = %+v, %v", b2, err)
	}
}

// countingStorage counts the blobs that are begun.
type countingStorage struct {
	storage.Storage
	begun atomic.Int64
}

func (c *countingStorage) WriteBlob(ctx context.Context, name string, data []byte) error {
	c.begun.Add(1)
	return c.Storage.WriteBlob(ctx, name, data)
}

func (c *countingStorage) Create(ctx context.Context, owner string) (storage.Temp, error) {
	c.begun.Add(1)
	return c.Storage.Create(ctx, owner)
}

// Many goroutines that put one id write one file, once.
func TestConcurrentPutWritesOnce(t *testing.T) {
	r := newRepo(t)
	counting := &countingStorage{Storage: r.store}
	r.store = counting
	s := begin(t, r)
	for round := range uint64(30) {
		c := makeChunk(100+round, 3000)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := s.Put(t.Context(), c.id, c.plain, c.stored); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if want := int64(round + 1); counting.begun.Load() != want {
			t.Fatalf("%d blobs were begun for %d chunks", counting.begun.Load(), want)
		}
	}
	if names := fileNames(t, r.path(blobDir)); len(names) != 30 {
		t.Errorf("%d files for 30 chunks", len(names))
	}
}

// A file that no index names proves nothing: an empty one, as a power cut
// leaves them, is replaced.
func TestPutRewritesUnindexedFile(t *testing.T) {
	r := newRepo(t)
	c := makeChunk(1, 5000)
	path := blobFile(r, DigestOf(c.stored))
	writeFile(t, path, nil)
	put(t, begin(t, r), c)
	sameBytes(t, "file", readFile(t, path), c.stored)
	if names := fileNames(t, r.path(blobDir)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// A file that another process has indexed since is not touched again.
func TestPutKeepsFileOfOtherProcess(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	c := makeChunk(1, 5000)
	other := begin(t, reopen(t, r))
	b := put(t, other, c)
	if err := other.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(blobFile(r, b.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if got := put(t, s, c); got != b {
		t.Errorf("Put = %+v, want %+v", got, b)
	}
	after, err := os.Stat(blobFile(r, b.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the other process's file was replaced")
	}
	if names := fileNames(t, r.path(blobDir)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// Data whose plain bytes equal a document's are not taken for the document,
// nor the other way round.
func TestRawAndEncodedAreApart(t *testing.T) {
	for _, rawFirst := range []bool{true, false} {
		r := newRepo(t)
		s := begin(t, r)
		document := []byte(`{"a":"manifest"}`)
		c := chunk{id: ID(DigestOf(document)), plain: int64(len(document)), stored: []byte("zstd of it")}
		putRaw := func() {
			if d, err := s.PutBlob(t.Context(), document); err != nil || d != DigestOf(document) {
				t.Fatal(d, err)
			}
		}
		if rawFirst {
			putRaw()
			if b, ok := r.Lookup(c.id); !ok || !b.Raw() {
				t.Errorf("a lone document is found as %+v, %v", b, ok)
			}
		}
		encoded := put(t, s, c)
		if encoded.Raw() || encoded.Digest != DigestOf(c.stored) {
			t.Errorf("Put = %+v", encoded)
		}
		putRaw()
		for _, state := range []string{"fresh", "in a file"} {
			if b, ok := r.Lookup(c.id); !ok || b != encoded {
				t.Errorf("%s: Lookup = %+v, %v", state, b, ok)
			}
			if b, ok := r.LookupBlob(DigestOf(document)); !ok || b.Digest != DigestOf(document) {
				t.Errorf("%s: LookupBlob = %+v, %v", state, b, ok)
			}
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBlobWriter(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	c := makeChunk(1, 9*mib)
	write := func() *BlobWriter {
		w, err := s.NewBlob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(c.stored)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	b, err := write().Commit(c.id, c.plain)
	if err != nil {
		t.Fatal(err)
	}
	body, size, err := r.OpenBlob(t.Context(), b.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil || size != b.Stored {
		t.Fatal(err, size)
	}
	sameBytes(t, "blob", data, c.stored)
	if again, err := write().Commit(c.id, c.plain); err != nil || again != b {
		t.Errorf("second Commit = %+v, %v", again, err)
	}
	w := write()
	w.Abort()
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Abort: %v", err)
	}
	if names := fileNames(t, r.path(blobDir)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// The session publishes by itself when a minute of the clock has passed.
func TestSyncByItself(t *testing.T) {
	now := newClock()
	r := initAt(t, t.TempDir(), Options{Now: now.Now})
	s := begin(t, r)
	first, second := makeChunk(1, 100), makeChunk(2, 100)
	put(t, s, first)
	if names := fileNames(t, r.path(indexDir)); len(names) != 0 {
		t.Fatalf("published at once: %v", names)
	}
	now.Advance(61 * time.Second)
	put(t, s, second)
	waitFor(t, "both chunks are published", func() bool {
		other := reopen(t, r)
		_, ok1 := other.Lookup(first.id)
		_, ok2 := other.Lookup(second.id)
		return ok1 && ok2
	})
}

// Every way in which a file can differ from what a manifest says is damage, and
// costs no memory.
func TestReadBlobFindsDamage(t *testing.T) {
	r := newRepo(t)
	c := makeChunk(1, 4000)
	b := put(t, begin(t, r), c)
	path := blobFile(r, b.Digest)
	flipped := bytes.Clone(c.stored)
	flipped[1234] ^= 1
	for name, damage := range map[string]func() int64{
		"flipped bit": func() int64 { writeFile(t, path, flipped); return b.Stored },
		"cut off":     func() int64 { writeFile(t, path, c.stored[:100]); return b.Stored },
		"wrong claim": func() int64 { writeFile(t, path, c.stored); return 1 << 60 },
		"negative":    func() int64 { return -1 },
		"huge": func() int64 {
			if err := os.Truncate(path, 1<<40); err != nil {
				t.Fatal(err)
			}
			return 1 << 40
		},
		"missing": func() int64 { os.Remove(path); return b.Stored },
	} {
		stored := damage()
		var damaged *DamagedError
		if _, err := r.ReadBlob(t.Context(), b.Digest, stored, nil); !errors.As(err, &damaged) || damaged.Digest != b.Digest {
			t.Errorf("%s: ReadBlob says %v", name, err)
		}
		writeFile(t, path, flipped)
	}
	body, _, err := r.OpenBlob(t.Context(), b.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var damaged *DamagedError
	if _, err := io.Copy(io.Discard, body); !errors.As(err, &damaged) {
		t.Errorf("OpenBlob of a flipped bit: %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadBlob(t.Context(), b.Digest, b.Stored, nil); err == nil {
		t.Error("a folder was read as a blob")
	}
}
