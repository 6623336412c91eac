package backup

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"davit/engine"
)

// shop is a host with everything that a selection may meet.
func shop() *inventory {
	inv := &inventory{
		local: true,
		own:   map[string]map[string]string{"c3": {LabelBackup: "false"}},
		containers: []engine.Container{
			{ID: "c1", Name: "web", ImageID: "i1", Project: "shop", Mounts: []engine.Mount{
				{Type: "bind", Source: "/srv/www"}, {Type: "volume", Name: "static"},
			}, Raw: []byte(`{"NetworkSettings":{"Networks":{"shop_default":{},"bridge":{}}}}`)},
			{ID: "c2", Name: "db", ImageID: "i2", Project: "shop", Mounts: []engine.Mount{
				{Type: "volume", Name: "pgdata"}, {Type: "volume", Name: "anon1"}, {Type: "tmpfs"},
			}},
			{ID: "c3", Name: "scratch", ImageID: "i3", Project: "shop", Labels: map[string]string{LabelBackup: "false"},
				Mounts: []engine.Mount{{Type: "bind", Source: "/srv/scratch"}, {Type: "volume", Name: "anon3"}, {Type: "volume", Name: "static"}}},
			{ID: "c4", Name: "lure", ImageID: "i1", Labels: map[string]string{LabelBackup: "false"}}, // inherited: not in own
		},
		volumes: []engine.Volume{
			{Name: "anon1", Anonymous: true}, {Name: "anon2", Anonymous: true}, {Name: "anon3", Anonymous: true},
			{Name: "pgdata", Labels: map[string]string{composePrefix + "project": "shop"}},
			{Name: "static"}, {Name: "tmpcache", Labels: map[string]string{LabelBackup: "false"}},
			{Name: "spare", Labels: map[string]string{composePrefix + "project": "shop"}},
		},
		images: []engine.Image{
			{ID: "i1", Tags: []string{"web:1"}}, {ID: "i2"}, {ID: "i3"}, {ID: "i4", Tags: []string{"tool:latest"}}, {ID: "i5"},
		},
		networks: []engine.Network{
			{Name: "bridge", Predefined: true}, {Name: "shop_default"},
			{Name: "edge", Labels: map[string]string{composePrefix + "project": "other"}},
		},
	}
	return inv
}

func ids(m map[string]engine.Container) string { return strings.Join(slices.Sorted(maps.Keys(m)), " ") }

func TestChoose(t *testing.T) {
	for _, tc := range []struct {
		name                                         string
		s                                            Selection
		containers, volumes, binds, images, networks string
		skipped                                      string
	}{
		{
			name: "everything", s: Selection{},
			containers: "c1 c2 c4", volumes: "anon1 pgdata spare static", binds: "/srv/www",
			images: "i1 i2 i4", networks: "edge shop_default",
			skipped: "container scratch, volume anon2, volume anon3, volume tmpcache",
		},
		{
			name: "everything without images", s: Selection{All: true, NoImages: true},
			containers: "c1 c2 c4", volumes: "anon1 pgdata spare static", binds: "/srv/www", networks: "edge shop_default",
			skipped: "container scratch, volume anon2, volume anon3, volume tmpcache",
		},
		{name: "a volume", s: Selection{Volumes: []string{"pgdata"}}, volumes: "pgdata"},
		{name: "a volume whose label leaves it out", s: Selection{Volumes: []string{"tmpcache"}}, volumes: "tmpcache"},
		{
			name: "a container", s: Selection{Containers: []string{"web"}},
			containers: "c1", volumes: "static", binds: "/srv/www", images: "i1", networks: "shop_default",
		},
		{name: "an id", s: Selection{Containers: []string{"c2"}}, containers: "c2", volumes: "anon1 pgdata", images: "i2"},
		{
			name: "a container whose label leaves it out", s: Selection{Containers: []string{"scratch"}},
			containers: "c3", volumes: "anon3 static", binds: "/srv/scratch", images: "i3",
		},
		{
			name: "a project", s: Selection{Projects: []string{"shop"}},
			containers: "c1 c2", volumes: "anon1 pgdata spare static", binds: "/srv/www", images: "i1 i2", networks: "shop_default",
			skipped: "container scratch",
		},
		{name: "bind mounts", s: Selection{Binds: true}, binds: "/srv/www"},
		{name: "an image by tag", s: Selection{Images: []string{"tool"}}, images: "i4"},
		{name: "paths only", s: Selection{Paths: []string{"/srv"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := choose(shop(), tc.s)
			if err != nil {
				t.Fatal(err)
			}
			var skipped []string
			for _, s := range got.skipped {
				skipped = append(skipped, s.Kind+" "+s.Name)
			}
			slices.Sort(skipped)
			for _, part := range []struct{ what, got, want string }{
				{"containers", ids(got.containers), tc.containers},
				{"volumes", strings.Join(slices.Sorted(maps.Keys(got.volumes)), " "), tc.volumes},
				{"binds", strings.Join(slices.Sorted(maps.Keys(got.binds)), " "), tc.binds},
				{"images", strings.Join(slices.Sorted(maps.Keys(got.images)), " "), tc.images},
				{"networks", strings.Join(slices.Sorted(maps.Keys(got.networks)), " "), tc.networks},
				{"skipped", strings.Join(skipped, ", "), tc.skipped},
			} {
				if part.got != part.want {
					t.Errorf("%s: %q, want %q", part.what, part.got, part.want)
				}
			}
		})
	}
}

// What the caller names and the host does not have is told by name.
func TestChooseNotFound(t *testing.T) {
	for _, tc := range []struct {
		s          Selection
		what, name string
	}{
		{Selection{Volumes: []string{"nope"}}, "volume", "nope"},
		{Selection{Containers: []string{"nope"}}, "container", "nope"},
		{Selection{Containers: []string{"c"}}, "container", "c"}, // ambiguous
		{Selection{Projects: []string{"nope"}}, "project", "nope"},
		{Selection{Images: []string{"web:2"}}, "image", "web:2"},
	} {
		_, err := choose(shop(), tc.s)
		var missing *NotFoundError
		if !errors.As(err, &missing) || missing.What != tc.what || missing.Name != tc.name {
			t.Errorf("%+v: %v", tc.s, err)
		}
	}
}
