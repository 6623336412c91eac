package storage

import (
	"context"
	"io"
	"os"
)

// inMemory is how much of a blob is kept in memory before it goes to a file.
const inMemory = 20 << 20

// remoteTemp is a blob that is written here and sent when it is whole.
type remoteTemp struct {
	r    *remote
	body body
	done bool
}

func (r *remote) Create(context.Context, string) (Temp, error) { return &remoteTemp{r: r}, nil }

func (r *remote) WriteBlob(ctx context.Context, name string, data []byte) error {
	t := &remoteTemp{r: r}
	if _, err := t.Write(data); err != nil {
		return err
	}
	return t.Publish(ctx, name, false)
}

func (t *remoteTemp) Write(p []byte) (int, error) {
	if t.body.file == nil && len(t.body.data)+len(p) > inMemory {
		f, err := t.r.cache.temp()
		if err != nil {
			return 0, err
		}
		if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
			f.Close()
			return 0, err
		}
		t.body.file = f
		if _, err := f.Write(t.body.data); err != nil {
			return 0, err
		}
		t.body.data = nil
	}
	if t.body.file != nil {
		n, err := t.body.file.Write(p)
		t.body.size += int64(n)
		return n, err
	}
	t.body.data = append(t.body.data, p...)
	t.body.size += int64(len(p))
	return len(p), nil
}

// Publish returns when there is room among those that are on their way; Sync tells how they fared.
func (t *remoteTemp) Publish(ctx context.Context, name string, _ bool) error {
	t.body.sum = name
	t.body.keep = isCaching(ctx) && t.body.file == nil && t.body.size <= maxCached
	t.done = true
	return t.r.uploads.add(ctx, BlobFolder+"/"+name, t.body)
}

func (t *remoteTemp) Hold(context.Context) (Held, error) {
	if t.body.file == nil {
		return &remoteHeld{r: t.r, body: t.body}, nil
	}
	f, err := t.r.cache.temp()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := io.Copy(f, t.body.reader()); err != nil {
		f.Close()
		return nil, err
	}
	return &remoteHeld{r: t.r, body: body{file: f, size: t.body.size}}, nil
}

func (t *remoteTemp) Abort() {
	if !t.done && t.body.file != nil {
		t.body.file.Close()
	}
	t.done = true
}

// remoteHeld is the bytes of a blob on this side.
type remoteHeld struct {
	r    *remote
	body body
}

func (h *remoteHeld) Open() (io.ReadCloser, int64, error) {
	return io.NopCloser(h.body.reader()), h.body.size, nil
}

func (h *remoteHeld) PutBack(ctx context.Context, name string) error {
	b := h.body
	b.sum = name
	return h.r.upload(ctx, BlobFolder+"/"+name, b)
}

func (h *remoteHeld) Drop() error {
	if h.body.file != nil {
		return h.body.file.Close()
	}
	return nil
}

// Sync waits for all that is on its way.
func (r *remote) Sync(ctx context.Context) error { return r.uploads.wait(ctx) }
