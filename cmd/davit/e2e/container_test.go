package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// engineSite is a site with an engine.
type engineSite struct {
	*site
	*enginetest.Dockerd
	engineAPI
}

// newEngineSite makes a site with a private engine that has an image bb:1, in which /bin/churn is the helper.
func newEngineSite(t *testing.T, size int64, o enginetest.DockerdOptions) *engineSite {
	t.Helper()
	s := newSite(t, size) // first, so that the engine ends before its containers' file system
	d := enginetest.StartDockerd(t, o)
	s.engine = d.Host
	churn, err := exec.LookPath("churn")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(churn)
	if err != nil {
		t.Fatal(err)
	}
	d.MakeImage(t, "bb:1", enginetest.File{Name: "bin/churn", Content: string(program), Mode: 0o755})
	return &engineSite{site: s, Dockerd: d, engineAPI: newEngineAPI(strings.TrimPrefix(d.Host, "unix://"))}
}

// engineAPI asks an engine without starting a client: a freeze is short.
type engineAPI struct{ client *http.Client }

func newEngineAPI(socket string) engineAPI {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return engineAPI{&http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: time.Minute}}
}

// rewrite is a shell's work that gives a freeze something to read: a large file that is always just written, and never
// short.
const rewrite = "cp /data/original /data/copy; echo ready; while :; do dd if=/data/original of=/data/copy conv=notrunc bs=1M 2> /dev/null; done"

// runApp starts the container app, with the site's data as volume data at /data.
func (s *engineSite) runApp(t *testing.T, command ...string) {
	t.Helper()
	s.CLI(t, "volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+s.data, "data")
	s.RunContainer(t, append([]string{"--name", "app", "--init", "--stop-timeout", "1", "--restart", "unless-stopped", "-v", "data:/data", "bb:1"}, command...)...)
}

// status is docker's word for a container's state, or the error.
func (a engineAPI) status(name string) string {
	resp, err := a.client.Get("http://engine/containers/" + name + "/json")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var doc struct{ State struct{ Status string } }
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		return err.Error()
	}
	return doc.State.Status
}

// says waits until a container has written a line.
func (s *engineSite) says(t *testing.T, name, line string) {
	t.Helper()
	eventually(t, time.Minute, name+" says "+line, func() bool {
		out, err := s.Try(nil, "logs", name)
		return err == nil && strings.Contains(out, line)
	})
}

// nothingToUndo waits until no journal is left.
func (s *site) nothingToUndo(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "no journal is left", func() bool {
		left, err := filepath.Glob(s.disk + "/state/guard/*.jsonl")
		return err == nil && len(left) == 0
	})
}
