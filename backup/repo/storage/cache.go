package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"
)

const (
	maxCached = 4 << 20             // of a file that is cached as it is read
	cacheKept = 30 * 24 * time.Hour // since it was fetched
)

// cache keeps on this machine what is never written twice on the server. It may be lost or
// damaged at any time: then what was in it is fetched again. Errors are no news.
type cache struct {
	base string // for all repositories
	own  bool   // base is temporary

	mu     sync.Mutex
	folder string // of the repository; "" until it is known
}

func (c *cache) open(base string) (err error) {
	c.base = base
	if base == "" {
		c.own = true
		c.base, err = os.MkdirTemp("", "davit-remote-")
		return err
	}
	return os.MkdirAll(base, dirPerm)
}

func (c *cache) close() error {
	if c.own {
		return os.RemoveAll(c.base)
	}
	return nil
}

// use makes the folder of a repository the cache's, and throws out what is old.
func (c *cache) use(id string) error {
	folder := filepath.Join(c.base, id)
	for _, sub := range []string{"whole", "small"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), dirPerm); err != nil {
			return err
		}
	}
	entries, _ := os.ReadDir(filepath.Join(folder, "small")) // none, then
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > cacheKept {
			_ = os.Remove(filepath.Join(folder, "small", e.Name()))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.folder = folder
	return nil
}

func (c *cache) path(sub, name string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return filepath.Join(c.folder, sub, name), c.folder != ""
}

// temp makes a temporary file, which the caller removes.
func (c *cache) temp() (*os.File, error) { return os.CreateTemp(c.base, ".tmp-") }

func smallName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// get returns small bytes with the checksum that they were put with.
func (c *cache) get(key string) ([]byte, bool) {
	p, ok := c.path("small", smallName(key))
	if !ok {
		return nil, false
	}
	data, err := os.ReadFile(p)
	if err != nil || len(data) < sha256.Size {
		return nil, false
	}
	sum := sha256.Sum256(data[sha256.Size:])
	return data[sha256.Size:], [sha256.Size]byte(data) == sum
}

func (c *cache) put(key string, data []byte) {
	p, ok := c.path("small", smallName(key))
	if !ok {
		return
	}
	f, err := c.temp()
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	sum := sha256.Sum256(data)
	_, err = f.Write(append(sum[:], data...))
	if errors.Join(err, f.Close()) == nil {
		_ = os.Rename(f.Name(), p)
	}
}

// adopt keeps a file that is complete.
func (c *cache) adopt(name, file string) {
	if p, ok := c.path("whole", path.Base(name)); ok {
		_ = os.Rename(file, p)
	}
}

func (c *cache) openWhole(name string) (*os.File, int64, bool) {
	p, ok := c.path("whole", path.Base(name))
	if !ok {
		return nil, 0, false
	}
	f, err := os.Open(p)
	if err != nil {
		return nil, 0, false
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, false
	}
	return f, info.Size(), true
}

// keepWhole removes the files that the server does not have any more.
func (c *cache) keepWhole(entries []remoteEntry) {
	folder, ok := c.path("whole", "")
	if !ok {
		return
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[path.Base(e.name)] = true
	}
	list, _ := os.ReadDir(folder) // none, then
	for _, e := range list {
		if !there[e.Name()] {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}
