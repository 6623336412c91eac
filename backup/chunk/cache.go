package chunk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"davit/backup/repo"
	"davit/engine/hostfs"
)

// A Cache remembers which chunks the unchanged parts of one item are, so that
// they are not read again. It holds one fingerprint per run, big file and part and
// none per file. A cache that is lost or damaged makes a backup slower, never
// wrong; one that belongs to another repository or item is ignored.
//
// Methods are safe for concurrent use.
type Cache struct {
	path  string
	key   string
	newer bool // the file is a newer davit's

	mu    sync.Mutex
	kept  map[repo.Digest][]byte // catalogs of an encrypted repository; nil: in their file
	old   map[fingerprint][]byte // read from disk
	fresh map[fingerprint][]byte // used or made since
}

// cacheMagic begins a cache file. The number changes with the meaning of its
// records; a file with a lower one is ignored, one with a higher one is left as it is.
const cacheMagic = "davit cache 1\n"

// OpenCache reads the cache at path. The key names repository and item; a file
// with another key, a damaged or a missing one gives an empty cache. An empty path
// gives a cache that Save does not write.
func OpenCache(path, key string) *Cache {
	c := &Cache{path: path, key: key, kept: map[repo.Digest][]byte{}, old: map[fingerprint][]byte{}, fresh: map[fingerprint][]byte{}}
	if path == "" {
		return c
	}
	if data, err := os.ReadFile(path); err == nil {
		c.newer = isNewerCache(data)
		c.old = parseCache(data, key)
	}
	return c
}

// Save writes the records atomically. A complete pass used everything that is
// worth keeping; after an incomplete one older records are kept as well.
func (c *Cache) Save(complete bool) error {
	if c.path == "" {
		return nil
	}
	if c.newer {
		return fmt.Errorf("write cache %s: a newer davit wrote what is there", c.path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	data := appendBytes([]byte(cacheMagic), []byte(c.key))
	for print, record := range c.fresh {
		data = append(data, print[:]...)
		data = appendBytes(data, record)
	}
	if !complete {
		for print, record := range c.old {
			if _, ok := c.fresh[print]; !ok {
				data = append(data, print[:]...)
				data = appendBytes(data, record)
			}
		}
	}
	sum := sha256.Sum256(data)
	if err := hostfs.WriteFile(c.path, append(data, sum[:]...), 0o600); err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	if complete {
		c.dropCatalogs()
	}
	return nil
}

// Remove deletes the file of a cache; a missing one is no error.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cache: %w", err)
	}
	if err := os.RemoveAll(path + catalogSuffix); err != nil {
		return fmt.Errorf("remove cache: %w", err)
	}
	return nil
}

func (c *Cache) get(print fingerprint) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	record, ok := c.fresh[print]
	if !ok {
		record, ok = c.old[print]
		if ok {
			c.fresh[print] = record
		}
	}
	return record
}

func (c *Cache) put(print fingerprint, record []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh[print] = record
}

func parseCache(data []byte, key string) map[fingerprint][]byte {
	records := map[fingerprint][]byte{}
	if len(data) < len(cacheMagic)+sha256.Size || !bytes.HasPrefix(data, []byte(cacheMagic)) {
		return records
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return records
	}
	r := recordReader{data: body[len(cacheMagic):]}
	if string(r.bytes()) != key {
		return records
	}
	for len(r.data) > 0 && !r.bad {
		var print fingerprint
		copy(print[:], r.fixed(len(print)))
		records[print] = r.bytes()
	}
	if r.bad {
		return map[fingerprint][]byte{}
	}
	return records
}

// isNewerCache reports whether a file begins with a higher number than cacheMagic.
func isNewerCache(data []byte) bool {
	var mine, theirs int
	_, known := fmt.Sscanf(cacheMagic, "davit cache %d\n", &mine)
	_, is := fmt.Sscanf(string(data[:min(len(data), 32)]), "davit cache %d\n", &theirs)
	return known == nil && is == nil && theirs > mine
}

// runRecord is what reuses a run: its chunk, and where its catalog lines are.
type runRecord struct {
	id        repo.ID
	length    int64
	catalog   repo.Digest
	stored    int64 // length of the catalog blob
	plain     int64 // length of the catalog segment
	layer     int
	entries   int
	lineBytes int
}

func (r *runRecord) encode() []byte {
	b := append([]byte(nil), r.id[:]...)
	b = append(b, r.catalog[:]...)
	for _, n := range [...]int64{r.length, r.stored, r.plain, int64(r.layer), int64(r.entries), int64(r.lineBytes)} {
		b = binary.AppendVarint(b, n)
	}
	return b
}

func decodeRun(data []byte) (*runRecord, bool) {
	if data == nil {
		return nil, false
	}
	r := recordReader{data: data}
	rec := &runRecord{}
	copy(rec.id[:], r.fixed(32))
	copy(rec.catalog[:], r.fixed(32))
	rec.length, rec.stored, rec.plain = r.number(), r.number(), r.number()
	rec.layer, rec.entries, rec.lineBytes = int(r.number()), int(r.number()), int(r.number())
	return rec, !r.bad
}

// bigRecord is what reuses a big file: its chunks, and what its header says.
type bigRecord struct {
	size     int64
	segments []hostfs.Segment // nil for a dense file
	ids      []repo.ID
}

func (r *bigRecord) encode() []byte {
	b := binary.AppendVarint(nil, r.size)
	count := int64(-1)
	if r.segments != nil {
		count = int64(len(r.segments))
	}
	b = binary.AppendVarint(b, count)
	for _, s := range r.segments {
		b = binary.AppendVarint(binary.AppendVarint(b, s.Off), s.Len)
	}
	for _, id := range r.ids {
		b = append(b, id[:]...)
	}
	return b
}

func decodeBig(data []byte) (*bigRecord, bool) {
	if data == nil {
		return nil, false
	}
	r := recordReader{data: data}
	rec := &bigRecord{size: r.number()}
	if count := r.number(); count >= 0 && count <= maxSegments {
		rec.segments = make([]hostfs.Segment, count)
		for i := range rec.segments {
			rec.segments[i] = hostfs.Segment{Off: r.number(), Len: r.number()}
		}
	}
	for len(r.data) > 0 && !r.bad {
		var id repo.ID
		copy(id[:], r.fixed(len(id)))
		rec.ids = append(rec.ids, id)
	}
	return rec, !r.bad
}

// partRecord is what reuses a whole part: its manifest.
type partRecord struct {
	digest  repo.Digest
	size    int64
	catalog repo.Digest
}

func (r *partRecord) encode() []byte {
	b := append([]byte(nil), r.digest[:]...)
	b = append(b, r.catalog[:]...)
	return binary.AppendVarint(b, r.size)
}

func decodePart(data []byte) (*partRecord, bool) {
	if data == nil {
		return nil, false
	}
	r := recordReader{data: data}
	rec := &partRecord{}
	copy(rec.digest[:], r.fixed(32))
	copy(rec.catalog[:], r.fixed(32))
	rec.size = r.number()
	return rec, !r.bad
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// recordReader reads what the encoders above wrote; bad is set when the data
// ends early.
type recordReader struct {
	data []byte
	bad  bool
}

func (r *recordReader) fixed(n int) []byte {
	if r.bad || len(r.data) < n {
		r.bad = true
		return make([]byte, n)
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *recordReader) number() int64 {
	n, size := binary.Varint(r.data)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *recordReader) bytes() []byte {
	n, size := binary.Uvarint(r.data)
	if r.bad || size <= 0 || n > uint64(len(r.data)-size) {
		r.bad = true
		return nil
	}
	b := r.data[size : size+int(n)]
	r.data = r.data[size+int(n):]
	return b
}
