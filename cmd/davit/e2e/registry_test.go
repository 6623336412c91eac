//go:build integration

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// An image that was copied into a registry is pulled from there by docker, on both image stores, and is the one that was
// saved: the same layers and settings, and it runs.
func TestDockerPullsCopies(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, containerd := range map[string]bool{"graph driver": false, "containerd": true} {
		t.Run(name, func(t *testing.T) {
			h := newEngineSite(t, 1<<30, enginetest.DockerdOptions{Version: "28.5", ContainerdStore: containerd})
			h.MakeImage(t, "base:1", enginetest.File{Name: "noise", Content: string(noise(1 << 20))})
			h.BuildLayers(t, "team/shop:1", "base:1", "echo hello > /hello")
			h.create(t, []int{0}, "--image", "team/shop:1")
			h.StartRegistry(t, "")
			place := enginetest.RegistryAddress + "/nas/backup"
			h.inNetwork(t, "backup", "copy", "--to", "oci://"+place, "--allow-plaintext", "--progress", "none")
			before := h.CLI(t, "image", "inspect", "-f", "{{json .RootFS}} {{json .Config}}", "team/shop:1")
			h.CLI(t, "rmi", "team/shop:1", "base:1", "bb:1")

			copied := place + ":team-shop-1"
			h.CLI(t, "pull", copied)
			if after := h.CLI(t, "image", "inspect", "-f", "{{json .RootFS}} {{json .Config}}", copied); after != before {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
			if got := h.CLI(t, "run", "--rm", "--network", "none", copied, "cat", "/hello"); strings.TrimSpace(got) != "hello" {
				t.Errorf("the pulled image says %q", got)
			}
		})
	}
}

// inNetwork runs davit where the engine's loopback is.
func (s *engineSite) inNetwork(t *testing.T, args ...string) {
	t.Helper()
	davit := s.command(args...)
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + s.Netns}, davit.Args...)...)
	cmd.Env, cmd.Dir = davit.Env, davit.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("davit %q: %v: %s", args, err, out)
	}
}
