package backup

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine"
)

// Compose files are found by the container's own labels only: an image could name any file of the host.
func TestComposeFiles(t *testing.T) {
	labels := map[string]string{
		composePrefix + "project.working_dir":      "/srv/shop",
		composePrefix + "project.config_files":     "/srv/shop/compose.yaml,override.yaml",
		composePrefix + "project.environment_file": "/srv/shop/prod.env",
	}
	ctr := engine.Container{ID: "c1", Name: "web", Labels: labels}
	c := &chosen{containers: map[string]engine.Container{"c1": ctr}}
	own := &inventory{own: map[string]map[string]string{"c1": labels}}
	want := []string{"/srv/shop/.env", "/srv/shop/compose.yaml", "/srv/shop/override.yaml", "/srv/shop/prod.env"}
	if got := composeFiles(own, c); !slices.Equal(got, want) {
		t.Errorf("files: %q, want %q", got, want)
	}
	if got := composeFiles(&inventory{own: map[string]map[string]string{"c1": {}}}, c); len(got) != 0 {
		t.Errorf("labels of the image lead to %q", got)
	}
}

// Only small regular files are read, and reading never waits.
func TestReadComposeFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/compose.yaml", "services: {}\n")
	write(t, dir+"/huge", strings.Repeat("x", maxComposeFile+1))
	if err := unix.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	list, skipped := readComposeFiles([]string{dir + "/compose.yaml", dir + "/.env", dir + "/gone", dir + "/huge", dir + "/pipe", dir, "relative"})
	if len(list) != 1 || list[0].name != "file/"+dir+"/compose.yaml" || string(list[0].data) != "services: {}\n" {
		t.Errorf("read: %+v", list)
	}
	var names []string
	for _, s := range skipped {
		names = append(names, strings.TrimPrefix(s.Name, "file/"+dir)+": "+s.Reason)
	}
	want := []string{"/gone: no such file or directory", "/huge: is larger than 1048576 bytes", "/pipe: is not a regular file", ": is not a regular file"}
	if !slices.Equal(names, want) {
		t.Errorf("skipped: %q, want %q", names, want)
	}
}
