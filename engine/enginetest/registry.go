package enginetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RegistryAddress is where StartRegistry's registry listens, in the network of the engine.
const RegistryAddress = "127.0.0.1:5000"

// StartRegistry starts Debian's docker-registry beside the engine, empty, with more lines of its configuration, until
// the test ends.
func (d *Dockerd) StartRegistry(t testing.TB, more string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	program, err := exec.Command(filepath.Join(root, "scripts", "registry.sh")).Output()
	if err != nil {
		t.Fatalf("provide a registry: %v", err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\nlog: {level: error}\n%s",
		filepath.Join(dir, "data"), RegistryAddress, more)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nsenter", "--net="+netnsPath(d.Netns), strings.TrimSpace(string(program)), "serve", filepath.Join(dir, "config.yml"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	_, port, _ := net.SplitHostPort(RegistryAddress)
	answers := func() bool {
		return exec.Command("nsenter", "--net="+netnsPath(d.Netns), "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port).Run() == nil
	}
	for deadline := time.Now().Add(time.Minute); !answers(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the registry does not answer")
		}
	}
}
