package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/backup/repo"
	"davit/engine"
	"davit/engine/guard"
)

// fakeEngine is an engine that holds what a test says.
type fakeEngine struct {
	info       engine.Info
	notLocal   string
	containers []engine.Container
	inherited  map[string]map[string]string // container id -> labels that come from its image
	volumes    []engine.Volume
	images     []engine.Image
	networks   []engine.Network
	configs    map[string][]byte
	room       engine.Room

	mu      sync.Mutex
	created []engine.VolumeSpec
	removed []string
	makeVol func(engine.VolumeSpec) (engine.Volume, error)
}

var errNotFaked = errors.New("not faked")

func (f *fakeEngine) Endpoint() string                          { return "unix:///var/run/docker.sock" }
func (f *fakeEngine) Info(context.Context) (engine.Info, error) { return f.info, nil }
func (f *fakeEngine) Local(context.Context) (bool, string)      { return f.notLocal == "", f.notLocal }
func (f *fakeEngine) Containers(context.Context) ([]engine.Container, error) {
	return f.containers, nil
}
func (f *fakeEngine) ContainersSized(context.Context) ([]engine.Container, error) {
	return f.containers, nil
}
func (f *fakeEngine) OwnLabels(_ context.Context, c engine.Container) (map[string]string, error) {
	own := maps.Clone(c.Labels)
	for name := range f.inherited[c.ID] {
		delete(own, name)
	}
	return own, nil
}
func (f *fakeEngine) Volumes(context.Context) ([]engine.Volume, error)   { return f.volumes, nil }
func (f *fakeEngine) Images(context.Context) ([]engine.Image, error)     { return f.images, nil }
func (f *fakeEngine) Networks(context.Context) ([]engine.Network, error) { return f.networks, nil }

func (f *fakeEngine) InspectVolume(_ context.Context, name string) (engine.Volume, error) {
	for _, v := range f.volumes {
		if v.Name == name {
			return v, nil
		}
	}
	return engine.Volume{}, errors.New("no such volume")
}

func (f *fakeEngine) CreateVolume(_ context.Context, s engine.VolumeSpec) (engine.Volume, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = append(f.created, s)
	if f.makeVol == nil {
		return engine.Volume{}, errNotFaked
	}
	return f.makeVol(s)
}

func (f *fakeEngine) RemoveVolume(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, name)
	return nil
}

func (f *fakeEngine) CreateNetwork(context.Context, json.RawMessage) (string, error) {
	return "", errNotFaked
}
func (f *fakeEngine) CreateContainerFromInspect(context.Context, json.RawMessage) (string, []string, error) {
	return "", nil, errNotFaked
}
func (f *fakeEngine) RemoveContainer(context.Context, string) error { return errNotFaked }
func (f *fakeEngine) LoadImage(context.Context, io.Reader) (engine.LoadResult, error) {
	return engine.LoadResult{}, errNotFaked
}
func (f *fakeEngine) Tag(context.Context, string, string) error { return errNotFaked }
func (f *fakeEngine) Start(context.Context, string) error       { return errNotFaked }
func (f *fakeEngine) SaveImages(context.Context, []string) (io.ReadCloser, error) {
	return nil, errNotFaked
}
func (f *fakeEngine) RawImageConfig(_ context.Context, id string) ([]byte, error) {
	if c, ok := f.configs[id]; ok {
		return c, nil
	}
	return nil, engine.ErrNoRawConfig
}
func (f *fakeEngine) SpoolRoom(context.Context) (engine.Room, error) { return f.room, nil }

// fakeHolder freezes nothing, and tells a test when it would.
type fakeHolder struct {
	mu       sync.Mutex
	log      []string
	onFreeze func()
	onThaw   func()
	held     guard.Held
	err      error
}

func (h *fakeHolder) open(HoldOptions) (Holder, error) { return h, nil }

func (h *fakeHolder) Freeze(_ context.Context, containers []guard.Target, mode guard.Mode) (Frozen, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	for _, c := range containers {
		list = append(list, c.Name)
	}
	if h.err != nil {
		return nil, h.err
	}
	h.log = append(h.log, string(mode)+" "+strings.Join(list, " "))
	if h.onFreeze != nil {
		h.onFreeze()
	}
	return &fakeFrozen{holder: h, names: list}, nil
}

func (h *fakeHolder) Close() error { return nil }

type fakeFrozen struct {
	holder *fakeHolder
	names  []string
}

func (f *fakeFrozen) Names() []string { return f.names }

func (f *fakeFrozen) Thaw(context.Context) (guard.Held, error) {
	f.holder.mu.Lock()
	defer f.holder.mu.Unlock()
	f.holder.log = append(f.holder.log, "thaw "+strings.Join(f.names, " "))
	if f.holder.onThaw != nil {
		f.holder.onThaw()
	}
	return f.holder.held, nil
}

// testEnv is an Env with a new repository; eng may be nil.
func testEnv(t testing.TB, eng Engine) *Env {
	t.Helper()
	dir := t.TempDir()
	r, err := repo.Init(dir+"/repo", repo.Options{Host: "testhost"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Env{
		Repo: r, Engine: eng, Host: "testhost", Version: "test",
		StateDir: dir + "/state", CacheDir: dir + "/cache",
		Now: time.Now, Rand: strings.NewReader(strings.Repeat("0123456789", 1000)),
	}
}
