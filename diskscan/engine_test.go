package diskscan_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine"
	"davit/engine/enginetest"
)

// fill makes at least one owner of each kind.
func fill(t *testing.T, d *enginetest.Dockerd) {
	t.Helper()
	d.MakeImage(t, "base:1", enginetest.File{Name: "etc/motd", Content: "base"})
	d.BuildLayers(t, "app:1", "base:1", "echo one > /one", "head -c 3000000 /dev/zero > /two")
	d.BuildLayers(t, "app:2", "app:1", "head -c 1000000 /dev/urandom > /three")
	d.CLI(t, "tag", "app:2", "other/name:latest")
	d.BuildLayers(t, "gone:1", "base:1", "head -c 500000 /dev/urandom > /gone")
	d.BuildKit(t, "built:1", "FROM base:1\nRUN echo x > /x\nRUN head -c 200000 /dev/urandom > /y\n")
	d.BuildKit(t, "built:2", "FROM base:1\nRUN head -c 2000000 /dev/urandom > /z\nRUN echo zz > /zz\n")
	d.CLI(t, "rmi", "built:2") // its layers stay as build cache
	d.CLI(t, "volume", "create", "lonely")
	d.RunContainer(t, "--name", "web", "-v", "data:/data", "-v", "/anonymous", "app:1",
		"sh", "-c", "head -c 700000 /dev/urandom > /data/file; head -c 900000 /dev/urandom > /anonymous/file; "+
			"head -c 800000 /dev/urandom > /written; trap exit TERM; while :; do sleep 3600 & wait; done")
	d.RunContainer(t, "--name", "chatty", "-v", "data:/data:ro", "app:2",
		"sh", "-c", "head -c 400000 /dev/zero | tr '\\0' 'x' | fold -w 100; echo; trap exit TERM; while :; do sleep 3600 & wait; done")
	d.CLI(t, "create", "--name", "never-started", "app:2")
	d.RunContainer(t, "--name", "orphan", "gone:1")
	d.CLI(t, "rmi", "-f", "gone:1")
	waitFor(t, "the log of chatty", func() bool { return strings.Count(d.CLI(t, "logs", "chatty"), "x") == 400_000 })
	waitFor(t, "the files of web", func() bool {
		_, err := d.Try(nil, "exec", "web", "sh", "-c", "[ $(stat -c %s /written) = 800000 ]")
		return err == nil
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func survey(t *testing.T, s *diskscan.Survey) *diskscan.Report {
	t.Helper()
	s.Now = time.Now
	r := s.Start()
	s.Attribute(t.Context(), r)
	must(t, s.Scan(t.Context(), r, diskscan.ScanOptions{Top: 10}))
	return r
}

func connect(t *testing.T, d *enginetest.Dockerd) *engine.Engine {
	t.Helper()
	e, err := engine.Connect(t.Context(), engine.Target{Host: d.Host, ConfigDir: filepath.Join(d.Dir, "home")})
	must(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// On real engines: the total is du's, everything has an owner that Docker would name, and without the engine's help
// the answer is the same.
func TestOwnersOnRealEngines(t *testing.T) {
	for name, options := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			d := enginetest.StartDockerd(t, options)
			fill(t, d)
			stores := diskscan.StoresAt(d.DataRoot, d.ContainerdRoot)
			if len(stores) != 2 {
				t.Fatalf("stores %v", stores)
			}
			e := connect(t, d)
			var offline, online *diskscan.Report
			bytes, inodes := whileStill(t, func() {
				offline = survey(t, &diskscan.Survey{Stores: stores})
				online = survey(t, &diskscan.Survey{Stores: stores, Ask: func(ctx context.Context) (*diskscan.Facts, error) {
					return diskscan.Ask(ctx, e)
				}})
			}, d.DataRoot, d.ContainerdRoot)
			if !reflect.DeepEqual(offline.Owners, online.Owners) {
				t.Errorf("offline:\n%s\nonline:\n%s", show(offline), show(online))
			}
			if offline.Total.Bytes != bytes || offline.Total.Inodes != inodes {
				t.Errorf("total %+v, du says %d bytes, %d inodes", offline.Total, bytes, inodes)
			}
			checkOwners(t, offline, options.ContainerdStore)
			if len(offline.Problems) > 0 {
				t.Errorf("problems: %v", offline.Problems)
			}
		})
	}
}

func show(r *diskscan.Report) string {
	var b strings.Builder
	for _, o := range r.Owners {
		b.WriteString(strings.Join([]string{string(o.Kind), o.Name, o.State, strings.Join(o.UsedBy, "+"), o.Path}, " | "))
		b.WriteString(" " + time.Duration(o.Bytes).String() + "\n")
	}
	return b.String()
}

// checkOwners looks for what fill has made.
func checkOwners(t *testing.T, r *diskscan.Report, containerd bool) {
	t.Helper()
	type expected struct {
		kind  diskscan.Kind
		name  string
		state string
		users string
		least int64
	}
	want := []expected{
		{diskscan.Image, "app:2, other/name:latest", "used", "chatty never-started", 1_000_000},
		{diskscan.Image, "built:1", "unused", "", 200_000},
		{diskscan.WritableLayer, "web", "running", "", 800_000},
		{diskscan.WritableLayer, "never-started", "created", "", 4096},
		{diskscan.WritableLayer, "orphan", "running", "", 4096},
		{diskscan.Log, "chatty", "running", "", 400_000},
		{diskscan.Volume, "data", "used", "chatty web", 700_000},
		{diskscan.Volume, "lonely", "unused", "", 4096},
		{diskscan.AnonymousVolume, "", "used", "web", 900_000},
		{diskscan.BuildCache, "build cache", "", "", 2_000_000},
		{diskscan.ContainerFiles, "web", "running", "", 4096},
		{diskscan.EngineFiles, "metadata", "", "", 4096},
	}
	if containerd {
		want = append(want, expected{diskscan.ImageContent, "built:1", "unused", "", 4096})
	}
	for _, w := range want {
		if !slices.ContainsFunc(r.Owners, func(o diskscan.Owner) bool {
			return o.Kind == w.kind && (o.Name == w.name || w.name == "") && o.State == w.state &&
				strings.Join(o.UsedBy, " ") == w.users && o.Bytes >= w.least
		}) {
			t.Errorf("no owner like %+v in\n%s", w, show(r))
		}
	}
	for _, o := range r.Owners {
		if o.Kind == diskscan.Unknown {
			t.Errorf("unknown: %+v", o)
		}
		if o.Kind == diskscan.SharedLayers && o.Bytes > 900_000 && !slices.Contains(o.UsedBy, "app:1") {
			t.Errorf("shared by %v", o.UsedBy)
		}
	}
	if _, err := os.Stat(r.Owners[0].Path); err != nil {
		t.Errorf("the largest owner has no place: %v", err)
	}
}
