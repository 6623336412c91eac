package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/migrate/preflight"
)

func planFor(config string, c preflight.ConfiguredBy) *Plan {
	return &Plan{ID: "test", Survey: &preflight.Survey{
		Engine: preflight.Engine{Version: "28.5.2", Driver: "overlay2", Unit: "docker.service", ContainerdUnit: "containerd.service", ConfigFile: config},
		Stores: []preflight.Store{{Name: preflight.StoreDataRoot, From: "/var/lib/docker", To: "/mnt/big disk/100%", Configure: c}},
	}}
}

// The file gets what is needed and keeps everything else, and goes back to its very bytes; changes that others make
// meanwhile stay.
func TestEdit(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		args          []string
		changed, left string // by somebody else, and after the undoing
	}{
		"no file": {
			after: "{\n  \"storage-driver\": \"overlay2\",\n  \"features\": {\n    \"containerd-snapshotter\": false\n  },\n  \"data-root\": \"/mnt/big disk/100%\"\n}\n",
		},
		"keys and style are kept": {
			before: "{\"debug\":true , \"data-root\":\"/var/lib/docker\",\"log-opts\":{\"max-size\":\"1m\"}}",
			after: "{\"debug\":true , \"data-root\":\"/mnt/big disk/100%\",\"log-opts\":{\"max-size\":\"1m\"},\"storage-driver\":\"overlay2\"," +
				"\"features\":{\"containerd-snapshotter\":false}}",
		},
		"what flags say is not said again": {
			before:  "{\"data-root\":\"/var/lib/docker\"}\n",
			args:    []string{"dockerd", "--storage-driver=overlay2", "--feature", "containerd-snapshotter=false"},
			after:   "{\"data-root\":\"/mnt/big disk/100%\"}\n",
			changed: "{\"data-root\":\"/mnt/big disk/100%\",\"debug\":true}\n",
			left:    "{\"data-root\":\"/var/lib/docker\",\"debug\":true}\n",
		},
		"an old key": {
			before: "{\"graph\":\"/var/lib/docker\",\"storage-driver\":\"overlay2\",\"features\":{\"containerd-snapshotter\":false}}",
			after:  "{\"storage-driver\":\"overlay2\",\"features\":{\"containerd-snapshotter\":false},\"data-root\":\"/mnt/big disk/100%\"}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "daemon.json")
			if test.before != "" {
				write(t, path, test.before)
			}
			c, err := newConfig(planFor(path, preflight.ConfiguredBy{Kind: preflight.ByFile, Args: test.args}))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := c.File.apply(); err != nil {
					t.Fatal(err)
				}
				holds(t, path, test.after)
			}
			want := test.before
			if test.changed != "" {
				write(t, path, test.changed)
				want = test.left
			}
			for range 2 {
				if err := c.File.undo(); err != nil {
					t.Fatal(err)
				}
				holds(t, path, want)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if string(data) != want {
		t.Errorf("%s holds\n%s\nnot\n%s", filepath.Base(path), data, want)
	}
}

// A file that somebody changed since the plan was made is not written.
func TestEditOfAChangedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	c, err := newConfig(planFor(path, preflight.ConfiguredBy{Kind: preflight.ByDefault}))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "{\"debug\": true}")
	if err := c.File.apply(); err == nil {
		t.Error("no error")
	}
	holds(t, path, "{\"debug\": true}")
}

// A flag is followed by one that counts more, with variables and the rest of the command as they were.
func TestDropIns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	p := planFor(path, preflight.ConfiguredBy{Kind: preflight.ByVariable, Exec: []string{"/usr/sbin/dockerd", "-H", "fd://", "$DOCKER_OPTS", "--label=a b"},
		Args: []string{"dockerd", "--data-root", "/var/lib/docker"}})
	p.Survey.Stores = append(p.Survey.Stores, preflight.Store{Name: preflight.StoreContainerd, From: "/var/lib/containerd", To: "/mnt/c$d",
		Configure: preflight.ConfiguredBy{Kind: preflight.ByContainerd, Exec: []string{"/usr/bin/containerd"}}})
	c, err := newConfig(p)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range c.DropIns {
		lines := strings.Split(strings.TrimSpace(d.Content), "\n")
		all = append(all, d.Unit+" "+d.Name+" "+lines[len(lines)-1])
	}
	want := []string{
		`docker.service 50-davit-mounts.conf RequiresMountsFor="/mnt/big disk/100%%"`,
		`containerd.service 50-davit-mounts.conf RequiresMountsFor=/mnt/c$d`,
		`docker.service zz-davit-data-root.conf ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS "--label=a b" --data-root "/mnt/big disk/100%%"`,
		`containerd.service zz-davit-data-root.conf ExecStart=/usr/bin/containerd --root /mnt/c$$d`,
	}
	if !slices.Equal(all, want) {
		t.Errorf("drop-ins:\n%s", strings.Join(all, "\n"))
	}
	if _, err := newConfig(planFor(path, preflight.ConfiguredBy{Kind: preflight.ByProcess})); err == nil {
		t.Error("a flag that no unit has could be changed")
	}
}

// Everything that is gone, new or different is told by name.
func TestDifferences(t *testing.T) {
	was := &Inventory{Objects: []Object{
		{Kind: "image", ID: "1", Name: "a:1", Fields: map[string]string{"tags": "a:1", "size": "5"}},
		{Kind: "volume", ID: "v", Name: "v"},
		{Kind: "volume", ID: "w", Name: "w"},
	}}
	is := &Inventory{Objects: []Object{
		{Kind: "volume", ID: "w", Name: "w"},
		{Kind: "image", ID: "1", Name: "a:1", Fields: map[string]string{"tags": "", "size": "5"}},
		{Kind: "network", ID: "w", Name: "n"},
	}}
	got := strings.Join(was.differences(is), "; ")
	if want := `image a:1: tags was "a:1", is ""; volume v is missing; network n was not there before`; got != want {
		t.Error(got)
	}
	if d := was.differences(was); len(d) > 0 {
		t.Error(d)
	}
}
