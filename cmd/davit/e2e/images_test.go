//go:build integration

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// A host with engine 28.5 goes out, is destroyed and comes back with both of its image stores; others read the images in
// the repository, which has each layer once; and the other store can load them, too.
func TestImagesOfBothStores(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, containerd := range map[string]bool{"graph driver": false, "containerd": true} {
		t.Run(name, func(t *testing.T) {
			h := newImageHost(t, enginetest.DockerdOptions{Version: "28.5", ContainerdStore: containerd})
			first := h.create(t, []int{0})
			h.sharedLayersAreStoredOnce(t)
			h.othersRead(t, containerd)
			before := h.described(t)
			h.destroy(t)
			h.ok(t, "backup", "restore", "--progress", "none", first.Snapshot, "--containers", "--start", "--yes")
			after := h.described(t)
			same(t, "volume", before.volume, after.volume)
			same(t, "bind mount", before.bind, after.bind)
			if before.rest != after.rest {
				t.Errorf("was\n%s\nis\n%s", before.rest, after.rest)
			}
			if got := h.CLI(t, "exec", "web", "cat", "/hello"); got != "hello" {
				t.Errorf("the restored container reads %q", got)
			}
			h.otherStore(t, first.Snapshot, !containerd)
			h.ok(t, "backup", "verify", "--read-data")
		})
	}
}

// imageHost is a site whose engine has two images with layers in common and a container with a volume and a bind mount.
type imageHost struct {
	*engineSite
	bind string
}

func newImageHost(t *testing.T, o enginetest.DockerdOptions) *imageHost {
	t.Helper()
	h := &imageHost{newEngineSite(t, 1<<30, o), t.TempDir() + "/site"}
	h.CLI(t, "rmi", "bb:1")
	h.MakeImage(t, "base:1", enginetest.File{Name: "noise", Content: string(noise(8 << 20))})
	h.BuildLayers(t, "app:1", "base:1", "echo hello > /hello")
	h.CLI(t, "tag", "app:1", "app:latest")
	h.CLI(t, "volume", "create", "--label", "tier=gold", "plain")
	if err := os.Mkdir(h.bind, 0o755); err != nil {
		t.Fatal(err)
	}
	h.RunContainer(t, "--name", "web", "--network", "none", "--restart", "unless-stopped", "--env", "COLOR=navy blue",
		"--label", "role=demo", "--memory", "64m", "-v", "plain:/data", "-v", h.bind+":/site", "app:1")
	enginetest.BuildTree(t, h.volume(t))
	enginetest.BuildTree(t, h.bind)
	return h
}

func (h *imageHost) volume(t *testing.T) string {
	t.Helper()
	return h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "plain")
}

// hostFacts is what has to come back.
type hostFacts struct {
	volume, bind enginetest.Tree
	rest         string
}

func (h *imageHost) described(t *testing.T) hostFacts {
	t.Helper()
	lines := strings.Split(h.CLI(t, "inspect", "--format", `{{.Name}} {{.State.Status}} {{.Image}} {{.Config.Image}}
{{json .Config.Env}} {{json .Config.Cmd}} {{json .Config.Labels}}
{{json .HostConfig.RestartPolicy}} {{.HostConfig.NetworkMode}} {{.HostConfig.Memory}}{{range .Mounts}}
{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}`, "web"), "\n")
	slices.Sort(lines) // the engine lists mounts in any order
	lines = append(lines,
		h.CLI(t, "image", "inspect", "--format", "{{.Id}} {{json .RepoTags}} {{json .RootFS.Layers}}", "base:1", "app:1", "app:latest"),
		h.CLI(t, "volume", "inspect", "--format", "{{.Driver}} {{json .Labels}}", "plain"))
	return hostFacts{tree(t, h.volume(t)), tree(t, h.bind), strings.Join(lines, "\n")}
}

func (h *imageHost) destroy(t *testing.T) {
	t.Helper()
	h.CLI(t, "rm", "--force", "--volumes", "web")
	h.CLI(t, "volume", "rm", "plain")
	h.CLI(t, "rmi", "--force", "app:latest", "app:1", "base:1", "app:2")
	if err := os.RemoveAll(h.bind); err != nil {
		t.Fatal(err)
	}
}

// sharedLayersAreStoredOnce saves an image on top of one that is saved already: its own layer is all that is new.
func (h *imageHost) sharedLayersAreStoredOnce(t *testing.T) {
	t.Helper()
	h.BuildLayers(t, "app:2", "app:1", "echo two > /two")
	had := size(t, h.repo)
	h.create(t, []int{0}, "--image", "app:2")
	if grown := size(t, h.repo) - had; grown > 1<<20 {
		t.Errorf("an image with a layer of a few bytes took %d bytes in the repository", grown)
	}
	one, two := h.skopeo(t, "app:1"), h.skopeo(t, "app:2")
	if len(one.Layers) != 2 || len(two.Layers) != 3 || !slices.Equal(one.Layers, two.Layers[:2]) {
		t.Errorf("app:1 has the layers %q, app:2 on top of it %q", one.Layers, two.Layers)
	}
}

// size is the number of bytes in the files of a folder.
func size(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	for _, node := range tree(t, dir) {
		sum += node.Size
	}
	return sum
}

// skopeoImage is what skopeo says about an image in the repository.
type skopeoImage struct {
	Digest string
	Layers []string
}

func (h *imageHost) skopeo(t *testing.T, name string) skopeoImage {
	t.Helper()
	var image skopeoImage
	if err := json.Unmarshal(h.skopeoRaw(t, name), &image); err != nil {
		t.Fatal(err)
	}
	return image
}

func (h *imageHost) skopeoRaw(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("skopeo", append(append([]string{"inspect"}, args...), "oci:"+h.repo+":"+name)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return out
}

// othersRead checks what skopeo finds: the config of the engine, byte for byte, and so its image id.
func (h *imageHost) othersRead(t *testing.T, containerd bool) {
	t.Helper()
	for _, name := range []string{"base:1", "app:1"} {
		id := h.CLI(t, "image", "inspect", "--format", "{{.Id}}", name)
		got := fmt.Sprintf("sha256:%x", sha256.Sum256(h.skopeoRaw(t, name, "--config", "--raw")))
		if containerd { // its image id is the manifest's or index's digest
			got = fmt.Sprintf("sha256:%x", sha256.Sum256(h.skopeoRaw(t, name, "--raw")))
		}
		if got != id {
			t.Errorf("skopeo finds %s as %s, the engine %s", name, got, id)
		}
	}
}

// otherStore restores the images to an engine with the other image store.
func (h *imageHost) otherStore(t *testing.T, snapshot string, containerd bool) {
	t.Helper()
	other := enginetest.StartDockerd(t, enginetest.DockerdOptions{Version: "28.5", ContainerdStore: containerd})
	h.engine = other.Host
	h.ok(t, "backup", "restore", "--progress", "none", snapshot, "--only", "image", "--yes")
	for _, ref := range []string{"app:1", "app:latest"} {
		if got := other.CLI(t, "run", "--rm", "--network", "none", ref, "cat", "/hello"); got != "hello" {
			t.Errorf("%s in the other store prints %q", ref, got)
		}
	}
}
