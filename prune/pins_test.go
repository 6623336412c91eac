package prune

import "testing"

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
