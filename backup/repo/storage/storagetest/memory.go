package storagetest

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"davit/backup/repo/storage"
)

// Memory is an object store in memory that keeps what an S3 server promises. Several clients may
// use it at once.
type Memory struct {
	mu    sync.Mutex
	files map[string]object
	Clock func() time.Time // nil: time.Now
	Name  string           // tells it from others
}

type object struct {
	data []byte
	time time.Time
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{files: make(map[string]object)} }

var _ storage.Objects = (*Memory)(nil)

func (m *Memory) now() time.Time {
	if m.Clock != nil {
		return m.Clock()
	}
	return time.Now()
}

// Place implements storage.Objects, as all that follow.
func (m *Memory) Place() string { return "memory:" + m.Name }

// Put replaces a file.
func (m *Memory) Put(ctx context.Context, name string, body io.ReadSeeker, size int64, _ string) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return io.ErrUnexpectedEOF
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = object{data, m.now()}
	return context.Cause(ctx)
}

// Get reads a file.
func (m *Memory) Get(_ context.Context, name string) (io.ReadCloser, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.files[name]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(o.data)), int64(len(o.data)), nil
}

// Stat looks at a file.
func (m *Memory) Stat(_ context.Context, name string) (storage.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.files[name]
	if !ok {
		return storage.Info{}, fs.ErrNotExist
	}
	return storage.Info{Size: int64(len(o.data)), Time: o.time}, nil
}

// List visits the files below a folder by name.
func (m *Memory) List(_ context.Context, folder string, visit func(string, storage.Info) error) error {
	prefix := ""
	if folder != "" {
		prefix = folder + "/"
	}
	m.mu.Lock()
	found := make(map[string]storage.Info)
	var names []string
	for name, o := range m.files {
		if strings.HasPrefix(name, prefix) {
			found[name] = storage.Info{Size: int64(len(o.data)), Time: o.time}
			names = append(names, name)
		}
	}
	m.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		if err := visit(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a file.
func (m *Memory) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// MakeFolders has nothing to do.
func (m *Memory) MakeFolders(context.Context, []string) error { return nil }

// Tidy has nothing to do.
func (m *Memory) Tidy(context.Context, time.Time) error { return nil }

// Final is true: a test that wants tries again says so itself.
func (m *Memory) Final(error) bool { return true }

// Close keeps the files.
func (m *Memory) Close() error { return nil }

// Clone is a copy of all files.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for name, o := range m.files {
		c.files[name] = o
	}
	c.Clock, c.Name = m.Clock, m.Name
	return c
}

// Edit changes the bytes of a file.
func (m *Memory) Edit(name string, change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.files[name]
	o.data = change(slices.Clone(o.data))
	m.files[name] = o
}
