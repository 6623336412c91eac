package backup

import (
	"os"
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
		composePrefix + "project.config_files":     "/srv/shop/compose.yaml,override.yaml,../base.yml",
		composePrefix + "project.environment_file": "/srv/shop/prod.env",
	}
	ctr := engine.Container{ID: "c1", Name: "web", Labels: labels}
	c := &chosen{containers: map[string]engine.Container{"c1": ctr}}
	own := &inventory{own: map[string]map[string]string{"c1": labels}}
	want := []composeFile{
		{"/srv/base.yml", "/srv"}, {"/srv/shop/.env", "/srv/shop"}, {"/srv/shop/compose.yaml", "/srv/shop"},
		{"/srv/shop/override.yaml", "/srv/shop"}, {"/srv/shop/prod.env", "/srv/shop"},
	}
	if got := composeFiles(own, c); !slices.Equal(got, want) {
		t.Errorf("files: %q, want %q", got, want)
	}
	if got := composeFiles(&inventory{own: map[string]map[string]string{"c1": {}}}, c); len(got) != 0 {
		t.Errorf("labels of the image lead to %q", got)
	}
}

// Only small regular files with names of compose are read, no symlink is followed below the project's folder, and reading
// never waits.
func TestReadComposeFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/compose.yaml", "services: {}\n")
	must(t, os.Chmod(dir+"/compose.yaml", 0o644)) // whatever the umask is
	write(t, dir+"/huge.yml", strings.Repeat("x", maxComposeFile+1))
	write(t, dir+"/id_rsa", "key")
	write(t, dir+"/real/x.yml", "x")
	if err := unix.Mkfifo(dir+"/pipe.yml", 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link.yml": "compose.yaml", "sub": "real"} {
		if err := os.Symlink(target, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir+"/folder.yml", 0o700); err != nil {
		t.Fatal(err)
	}
	var files []composeFile
	for _, name := range []string{"compose.yaml", ".env", "gone.yml", "huge.yml", "id_rsa", "pipe.yml", "link.yml", "sub/x.yml", "folder.yml"} {
		files = append(files, composeFile{dir + "/" + name, dir})
	}
	list, skipped := readComposeFiles(append(files, composeFile{"relative.yml", ""}))
	if len(list) != 1 || list[0].name != "file/"+dir+"/compose.yaml" || string(list[0].data) != "services: {}\n" || list[0].stat.Mode&0o777 != 0o644 {
		t.Errorf("read: %+v", list)
	}
	want := map[string]string{
		"gone.yml": "no such file", "huge.yml": "is larger than 1048576 bytes", "id_rsa": "its name ends in none of", "pipe.yml": "not a regular file",
		"link.yml": "not a regular file", "sub/x.yml": "not a directory", "folder.yml": "not a regular file",
	}
	for _, s := range skipped {
		name := strings.TrimPrefix(s.Name, "file/"+dir+"/")
		if w, ok := want[name]; !ok || !strings.Contains(s.Reason, w) {
			t.Errorf("%s is skipped: %s, want %q", name, s.Reason, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not skipped: %v", want)
	}
}
