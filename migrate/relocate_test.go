package migrate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"davit/migrate/preflight"
)

// Paths of the engine's own in a container's definition follow the root, and back again; bind mounts and everything
// else stay as they are.
func TestRelocate(t *testing.T) {
	const old = `{"StreamConfig":{},"State":{"Pid":12345678901234567890},"Name":"/a<b","LogPath":"/var/lib/docker/containers/a/a-json.log",` +
		`"HostsPath":"/var/lib/docker/containers/a/hosts","ResolvConfPath":"","MountPoints":{` +
		`"/v":{"Source":"/var/lib/docker/volumes/data/_data","Destination":"/v","Name":"data","Type":"volume"},` +
		`"/w":{"Source":"/var/lib/docker-other/volumes/x/_data","Type":"volume"},` +
		`"/b":{"Source":"/var/lib/docker/volumes/data/_data","Destination":"/b","Type":"bind"}}}`
	const want = `{"StreamConfig":{},"State":{"Pid":12345678901234567890},"Name":"/a<b","LogPath":"/mnt/new/containers/a/a-json.log",` +
		`"HostsPath":"/mnt/new/containers/a/hosts","ResolvConfPath":"","MountPoints":{` +
		`"/v":{"Source":"/mnt/new/volumes/data/_data","Destination":"/v","Name":"data","Type":"volume"},` +
		`"/w":{"Source":"/var/lib/docker-other/volumes/x/_data","Type":"volume"},` +
		`"/b":{"Source":"/var/lib/docker/volumes/data/_data","Destination":"/b","Type":"bind"}}}`
	s := preflight.Store{Name: preflight.StoreDataRoot, From: "/var/lib/docker", To: "/mnt/new"}
	for _, userns := range []string{"", "231072.231072"} {
		root := filepath.Join(t.TempDir(), "odd [name")
		file := filepath.Join(root, userns, "containers", "a", "config.v2.json")
		for _, err := range []error{
			os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(old), 0o640), relocate(root, s, userns), relocate(root, s, userns),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		sameJSON(t, file, want)
		if err := relocate(root, backwards(s), userns); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, file, old)
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("%v %v", st.Mode(), err)
		}
	}
}

// sameJSON compares documents byte for byte, but for the order of keys.
func sameJSON(t *testing.T, file, want string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := ordered(t, data), ordered(t, []byte(want)); a != b {
		t.Errorf("is\n%s\nnot\n%s", a, b)
	}
}

func ordered(t *testing.T, data []byte) string {
	t.Helper()
	var doc, points map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc["MountPoints"], &points); err != nil {
		t.Fatal(err)
	}
	for k, p := range points {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(p, &m); err != nil {
			t.Fatal(err)
		}
		points[k], _ = json.Marshal(m)
	}
	doc["MountPoints"], _ = json.Marshal(points)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
