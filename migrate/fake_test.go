package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/daemonjson"
	"davit/engine/systemd"
	"davit/migrate"
)

// fakeHost is a service manager and an engine that keep their state where real ones do: settings in daemon.json,
// containers and their policies in the root that the engine works on. Every call can fail.
type fakeHost struct {
	t       *testing.T
	dir     string     // has daemon.json, old, new
	mu      sync.Mutex // of calls, running, and the files of the root
	up      bool       // docker.service
	armed   bool       // docker.socket
	masked  bool
	dropIns map[string]string
	units   map[string]string // files of our own
	root    string            // that the engine works on, while it is up
	running map[string]string // running, paused
	calls   int
	failAt  int // that call fails
	refuse  string
	lose    bool              // the engine loses an image on the new root
	binds   map[string]string // sources of bind mounts of containers
	above   bool              // unit files stand above masks
}

// fakeBox is a container on disk.
type fakeBox struct {
	ID, Name string
	Policy   engine.RestartPolicy
	Stopped  bool // by hand
	Remove   bool
	Needs    string
}

var errFake = errors.New("this call fails")

func newFakeHost(t *testing.T, disk string) *fakeHost {
	t.Helper()
	dir, err := os.MkdirTemp(disk, "host")
	must(t, err)
	h := &fakeHost{t: t, dir: dir, dropIns: map[string]string{}, units: map[string]string{}, running: map[string]string{}}
	must(t, os.MkdirAll(filepath.Join(h.old(), "volumes/db/_data"), 0o755))
	must(t, os.WriteFile(filepath.Join(h.old(), "volumes/db/_data/rows"), []byte("1\n2\n3\n"), 0o600))
	must(t, os.WriteFile(h.config(), []byte("{\n    \"debug\": true\n}\n"), 0o640))
	h.write(h.old(), []fakeBox{
		{ID: "a1", Name: "db", Policy: engine.RestartPolicy{Name: "always"}},
		{ID: "b2", Name: "web", Policy: engine.RestartPolicy{Name: "unless-stopped"}, Needs: "db"},
		{ID: "c3", Name: "job", Policy: engine.RestartPolicy{Name: "on-failure", Retries: 3}},
		{ID: "d4", Name: "byhand", Policy: engine.RestartPolicy{Name: "no"}},
		{ID: "e5", Name: "off", Policy: engine.RestartPolicy{Name: "always"}, Stopped: true},
		{ID: "f6", Name: "frozen", Policy: engine.RestartPolicy{Name: "no"}},
	})
	h.armed, h.up, h.root = true, true, h.old()
	for _, id := range []string{"a1", "b2", "c3", "d4"} {
		h.running[id] = "running"
	}
	h.running["f6"] = "paused"
	return h
}

func (h *fakeHost) old() string    { return filepath.Join(h.dir, "old") }
func (h *fakeHost) new() string    { return filepath.Join(h.dir, "new") }
func (h *fakeHost) config() string { return filepath.Join(h.dir, "daemon.json") }

func (h *fakeHost) read(root string) []fakeBox {
	data, err := os.ReadFile(filepath.Join(root, "containers.json"))
	must(h.t, err)
	var all []fakeBox
	must(h.t, json.Unmarshal(data, &all))
	return all
}

func (h *fakeHost) write(root string, all []fakeBox) {
	data, err := json.Marshal(all)
	must(h.t, err)
	must(h.t, os.WriteFile(filepath.Join(root, "containers.json"), data, 0o600))
}

// call counts, and decides whether this one fails.
func (h *fakeHost) call() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if h.calls == h.failAt {
		return errFake
	}
	return nil
}

// reboot is a power cut: masks are gone, and what is enabled starts.
func (h *fakeHost) reboot() {
	h.stopEngine()
	h.masked, h.armed = false, true
	must(h.t, os.RemoveAll(filepath.Join(h.dir, "run")))
	must(h.t, h.startEngine())
}

func (h *fakeHost) stopEngine() {
	h.up, h.root, h.running = false, "", map[string]string{}
}

func (h *fakeHost) startEngine() error {
	if h.masked && !h.above {
		return errors.New("it is masked")
	}
	if _, err := os.Stat(filepath.Join(h.dir, "run", "migrate-hold")); err == nil && h.dropIns["docker.service/00-davit-hold.conf"] != "" {
		return errors.New("its assertion does not hold")
	}
	file, err := daemonjson.Load(h.config())
	if err != nil {
		return err
	}
	h.root = h.old()
	if r := file.String("data-root"); r != "" {
		h.root = r
	}
	if h.root == h.refuse {
		return errors.New("the engine does not start on that root")
	}
	h.up = true
	for _, b := range h.read(h.root) {
		if b.Policy.Name == "always" || b.Policy.Name == "unless-stopped" && !b.Stopped {
			h.running[b.ID] = "running"
		}
	}
	return nil
}

// systemd

func (h *fakeHost) Unit(_ context.Context, name string) (systemd.Unit, error) {
	if err := h.call(); err != nil {
		return systemd.Unit{}, err
	}
	u := systemd.Unit{Name: name, Load: "loaded", Active: "inactive", File: "enabled", Fragment: "/lib/" + name}
	switch name {
	case "docker.service":
		u.TriggeredBy = []string{"docker.socket"}
		u.Active = map[bool]string{true: "active", false: "inactive"}[h.up]
	case "docker.socket":
		u.Active = map[bool]string{true: "active", false: "inactive"}[h.armed]
	default:
		if _, ok := h.units[name]; !ok {
			u.Load, u.File = "not-found", ""
		}
		return u, nil
	}
	if h.masked && !h.above {
		u.Load, u.File, u.TriggeredBy = "masked", "masked-runtime", nil
	}
	return u, nil
}

func (h *fakeHost) Begin(_ context.Context, verb systemd.Verb, unit string) (func(context.Context) error, error) {
	if err := h.call(); err != nil {
		return nil, err
	}
	var err error
	switch {
	case unit == "docker.socket":
		h.armed = verb == systemd.Start
	case verb == systemd.Stop:
		h.stopEngine()
	case verb == systemd.Start:
		if e := h.startEngine(); e != nil {
			err = &systemd.JobError{Verb: verb, Unit: unit, Result: "failed"}
		}
	}
	return func(context.Context) error { return err }, nil
}

func (h *fakeHost) ResetFailed(context.Context, string) error { return h.call() }

func (h *fakeHost) Journal(context.Context, time.Time, int, ...string) ([]systemd.Line, error) {
	return nil, nil
}

func (h *fakeHost) Enable(_ context.Context, units ...string) error  { return h.call() }
func (h *fakeHost) Disable(_ context.Context, units ...string) error { return h.call() }

func (h *fakeHost) MaskRuntime(context.Context, ...string) error {
	err := h.call()
	h.masked = h.masked || err == nil
	return err
}

func (h *fakeHost) UnmaskRuntime(context.Context, ...string) error {
	err := h.call()
	h.masked = h.masked && err != nil
	return err
}

func (h *fakeHost) WriteDropIn(_ context.Context, unit, name, content string) error {
	if err := h.call(); err != nil {
		return err
	}
	h.dropIns[unit+"/"+name] = content
	return nil
}

func (h *fakeHost) RemoveDropIn(_ context.Context, unit, name string) error {
	if err := h.call(); err != nil {
		return err
	}
	delete(h.dropIns, unit+"/"+name)
	return nil
}

func (h *fakeHost) WriteUnit(_ context.Context, name, content string) error {
	if err := h.call(); err != nil {
		return err
	}
	h.units[name] = content
	return nil
}

func (h *fakeHost) RemoveUnit(_ context.Context, name string) error {
	if err := h.call(); err != nil {
		return err
	}
	delete(h.units, name)
	return nil
}

// engine

func (h *fakeHost) connect(context.Context, string) (migrate.Engine, error) {
	if err := h.call(); err != nil {
		return nil, err
	}
	if !h.up {
		return nil, errors.New("no engine")
	}
	return fakeEngine{h}, nil
}

type fakeEngine struct{ *fakeHost }

func (e fakeEngine) Close() error { return nil }

func (e fakeEngine) Info(context.Context) (engine.Info, error) {
	return engine.Info{ID: "id", Driver: "overlay2", DataRoot: e.root, Version: "20.10.24"}, e.call()
}

func (e fakeEngine) Containers(ctx context.Context) ([]engine.Container, error) {
	var all []engine.Container
	for _, b := range e.boxes() {
		c, err := e.parse(b)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, e.call()
}

func (e fakeEngine) InspectContainer(_ context.Context, id string) (engine.Container, error) {
	if err := e.call(); err != nil {
		return engine.Container{}, err
	}
	for _, b := range e.boxes() {
		if b.ID == id {
			return e.parse(b)
		}
	}
	return engine.Container{}, errors.New("no such container")
}

func (e fakeEngine) boxes() []fakeBox {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read(e.root)
}

func (e fakeEngine) parse(b fakeBox) (engine.Container, error) {
	e.mu.Lock()
	state := e.running[b.ID]
	e.mu.Unlock()
	labels := map[string]string{"com.docker.compose.project": "p", "com.docker.compose.service": b.Name}
	if b.Needs != "" {
		labels["com.docker.compose.depends_on"] = b.Needs
	}
	var mounts []map[string]any
	if source := e.binds[b.ID]; source != "" {
		mounts = append(mounts, map[string]any{"Type": "bind", "Source": source, "Destination": "/m"})
	}
	raw, err := json.Marshal(map[string]any{
		"Id": b.ID, "Name": "/" + b.Name, "Image": "sha256:1", "State": map[string]any{
			"Running": state != "", "Paused": state == "paused"},
		"Config":     map[string]any{"Image": "bb", "Labels": labels},
		"Mounts":     mounts,
		"HostConfig": map[string]any{"AutoRemove": b.Remove, "RestartPolicy": map[string]any{"Name": b.Policy.Name, "MaximumRetryCount": b.Policy.Retries}},
	})
	if err != nil {
		return engine.Container{}, err
	}
	return engine.ParseContainer(raw)
}

func (e fakeEngine) Images(context.Context) ([]engine.Image, error) {
	all := []engine.Image{{ID: "sha256:1", Tags: []string{"bb:1"}}, {ID: "sha256:2", Tags: []string{"app:1"}}}
	if e.lose && e.root == e.new() {
		all = all[:1]
	}
	return all, e.call()
}

func (e fakeEngine) Volumes(context.Context) ([]engine.Volume, error) {
	return []engine.Volume{{Name: "db", Driver: "local", Mountpoint: filepath.Join(e.root, "volumes/db/_data")}}, e.call()
}

func (e fakeEngine) Networks(context.Context) ([]engine.Network, error) { return nil, e.call() }
func (e fakeEngine) Plugins(context.Context) ([]engine.Plugin, error)   { return nil, e.call() }
func (e fakeEngine) Pause(_ context.Context, id string) error           { return e.set(id, "paused") }
func (e fakeEngine) Start(_ context.Context, id string) error           { return e.set(id, "running") }
func (e fakeEngine) Stop(_ context.Context, id string) error            { return e.set(id, "") }

func (e fakeEngine) set(id, state string) error {
	if err := e.call(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[id] == "paused" && state == "running" {
		return nil
	}
	if state == "" {
		delete(e.running, id)
	} else {
		e.running[id] = state
	}
	all := e.read(e.root)
	for i := range all {
		if all[i].ID == id {
			all[i].Stopped = state == ""
		}
	}
	e.write(e.root, all)
	return nil
}

func (e fakeEngine) SetRestartPolicy(_ context.Context, id string, p engine.RestartPolicy) error {
	if err := e.call(); err != nil {
		return err
	}
	all := e.read(e.root)
	i := slices.IndexFunc(all, func(b fakeBox) bool { return b.ID == id })
	all[i].Policy = p
	e.write(e.root, all)
	return nil
}

// picture is everything that an operator would see of the host, in a few lines.
func (h *fakeHost) picture() string {
	var b strings.Builder
	fmt.Fprintf(&b, "up %t armed %t masked %t\n", h.up, h.armed, h.masked)
	if h.root != "" {
		for _, c := range h.read(h.root) {
			fmt.Fprintf(&b, "%s %q %v\n", c.Name, h.running[c.ID], c.Policy)
		}
		rows, err := os.ReadFile(filepath.Join(h.root, "volumes/db/_data/rows"))
		must(h.t, err)
		fmt.Fprintf(&b, "%q", rows)
	}
	return b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
