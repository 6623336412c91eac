package chunk

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"davit/backup/repo"
)

// catalogSuffix makes the name of the folder that holds catalogs beside a cache:
// those of an encrypted repository, which the host that wrote them may not be able
// to read there. Each is a zstd frame and its SHA-256.
const catalogSuffix = ".catalogs"

func (c *Cache) catalogFile(d repo.Digest) string {
	return filepath.Join(c.path+catalogSuffix, d.Hex())
}

// putCatalog keeps the frame of a catalog. What cannot be written stays in
// memory: the next run reads more then.
func (c *Cache) putCatalog(d repo.Digest, frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[d] = frame
	if c.path == "" {
		return
	}
	sum := sha256.Sum256(frame)
	name := c.catalogFile(d)
	if os.MkdirAll(filepath.Dir(name), 0o700) == nil &&
		os.WriteFile(name, append(append([]byte(nil), frame...), sum[:]...), 0o600) == nil {
		c.kept[d] = nil
	}
}

// useCatalog keeps a catalog's file for the next run.
func (c *Cache) useCatalog(d repo.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.kept[d]; !ok {
		c.kept[d] = nil
	}
}

// catalog is the frame of a catalog, nil when it is not there whole.
func (c *Cache) catalog(d repo.Digest) []byte {
	c.mu.Lock()
	frame := c.kept[d]
	c.mu.Unlock()
	if frame != nil || c.path == "" {
		return frame
	}
	data, err := os.ReadFile(c.catalogFile(d))
	if err != nil || len(data) < sha256.Size {
		return nil
	}
	frame = data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(frame); string(sum[:]) != string(data[len(frame):]) {
		return nil
	}
	return frame
}

// dropCatalogs removes the files of catalogs that the last passes did not use.
// One that stays costs room, no more.
func (c *Cache) dropCatalogs() {
	entries, err := os.ReadDir(c.path + catalogSuffix)
	if err != nil {
		return
	}
	for _, entry := range entries {
		var d repo.Digest
		if n, err := hex.Decode(d[:], []byte(entry.Name())); err == nil && n == len(d) && len(entry.Name()) == 2*len(d) {
			if _, used := c.kept[d]; used {
				continue
			}
		}
		_ = os.Remove(filepath.Join(c.path+catalogSuffix, entry.Name()))
	}
}
