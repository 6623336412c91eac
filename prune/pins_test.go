package prune

import (
	"os"
	"path/filepath"
	"testing"
)

const someDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// However a service names an image, the image is meant, and no other is.
func TestServiceImages(t *testing.T) {
	o := &Object{
		Ref:  Ref{Image, "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
		Tags: []string{"app:1", "app:latest", "127.0.0.1:5000/team/app:2"}, Digests: []string{"app@" + someDigest},
	}
	for ref, want := range map[string]bool{
		"app:1": true, "app": true, "docker.io/library/app:1": true, "127.0.0.1:5000/team/app:2": true, "app:1@" + someDigest: true,
		"other@" + someDigest: true, "app:9@" + someDigest: true, "app:1@sha256:" + o.ID[7:]: true, o.ID: true, o.ID[7:19]: true,
		"app:2": false, "team/app:2": false, "127.0.0.1:5000/team/app": false, "bbbb": false, "": false, "App Le": false,
		"app:2@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc": false,
	} {
		if got := o.meantBy(ref); got != want {
			t.Errorf("%q: %v", ref, got)
		}
	}
}

// A volume whose name a task makes from a template is the service's.
func TestServiceVolumes(t *testing.T) {
	for _, v := range []struct {
		template, name string
		want           bool
	}{
		{"data", "data", true}, {"data", "data2", false}, {"data-{{.Task.Slot}}", "data-1", true}, {"data-{{.Task.Slot}}", "date-1", false},
		{"{{.Service.Name}}-{{.Task.Slot}}-x", "web-12-x", true}, {"{{.Service.Name}}-{{.Task.Slot}}-x", "web-12-y", false},
		{"{{.Node.Hostname}}", "anything", true}, {"a{{", "a", true}, {"a{{.B}}a", "a", false},
	} {
		if got := madeFrom(v.name, v.template); got != v.want {
			t.Errorf("%s from %s: %v", v.name, v.template, got)
		}
	}
}

// A process that ends while it is looked at does not hide what others with the same mounts have mounted.
func TestForeignMountsOfOneThatEnds(t *testing.T) {
	proc := t.TempDir()
	for pid, p := range map[string]struct{ ns, mounts string }{
		"self": {"mnt:[1]", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"},
		"10":   {"mnt:[2]", ""}, // it has ended
		"11":   {"mnt:[2]", "2 1 8:1 " + filepath.Join(proc, "vol") + " /data rw - ext4 /dev/sda1 rw\n"},
	} {
		dir := filepath.Join(proc, pid)
		err := os.MkdirAll(filepath.Join(dir, "ns"), 0o700)
		if err == nil {
			err = os.Symlink(p.ns, filepath.Join(dir, "ns", "mnt"))
		}
		if err == nil && p.mounts != "" {
			err = os.WriteFile(filepath.Join(dir, "mountinfo"), []byte(p.mounts), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(proc, "vol"), 0o700); err != nil {
		t.Fatal(err)
	}
	mounts, err := foreignMounts(proc)
	if err != nil {
		t.Fatal(err)
	}
	if pid, ok := mounts.user(filepath.Join(proc, "vol")); !ok || pid != "11" {
		t.Errorf("the volume is used by %q, %v", pid, ok)
	}
}
