package enginetest

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// CLI runs the engine's own docker client and returns its standard output without the
// last newline. The test ends when the command does not succeed.
func (d *Dockerd) CLI(t testing.TB, args ...string) string {
	t.Helper()
	return d.CLIInput(t, nil, args...)
}

// CLIInput is CLI with a standard input.
func (d *Dockerd) CLIInput(t testing.TB, in io.Reader, args ...string) string {
	t.Helper()
	out, err := d.Try(in, args...)
	if err != nil {
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// Try is CLIInput for commands that may fail: the error holds what docker said.
func (d *Dockerd) Try(in io.Reader, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(d.BinDir, "docker"), args...)
	cmd.Env, cmd.Dir, cmd.Stdin = d.environ(), d.Dir, in
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

// RunContainer starts a container in the background with the arguments of `docker run`
// and returns its id.
func (d *Dockerd) RunContainer(t testing.TB, args ...string) string {
	t.Helper()
	return d.CLI(t, append([]string{"run", "--detach"}, args...)...)
}
