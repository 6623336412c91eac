package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
)

// The engine is chosen in docker's order, whichever of flags, environment and config
// speak at once.
func TestResolveOrder(t *testing.T) {
	dir := t.TempDir()
	addContext(t, dir, "one", "unix:///one.sock")
	addContext(t, dir, "two", "tcp://two:2375")
	addContext(t, dir, "three", "ssh://user@three")
	for _, c := range []struct {
		name, flagHost, flagContext, envHost, envContext, current string
		want, wantErr                                             string
	}{
		{name: "nothing", want: "unix:///var/run/docker.sock"},
		{name: "flag host", flagHost: "tcp://h:1", envHost: "unix:///e", envContext: "one", current: "two", want: "tcp://h:1"},
		{name: "flag context", flagContext: "one", envHost: "unix:///e", envContext: "two", current: "two", want: "unix:///one.sock"},
		{name: "env host", envHost: "unix:///e", envContext: "one", current: "two", want: "unix:///e"},
		{name: "env context", envContext: "one", current: "two", want: "unix:///one.sock"},
		{name: "current", current: "three", want: "ssh://user@three"},
		{name: "flag default", flagContext: "default", current: "two", want: "unix:///var/run/docker.sock"},
		{name: "flag default with env host", flagContext: "default", envHost: "unix:///e", want: "unix:///e"},
		{name: "no scheme", flagHost: "h:1", want: "tcp://h:1"},
		{name: "both flags", flagHost: "tcp://h:1", flagContext: "one", wantErr: "exclude each other"},
		{name: "no such context", flagContext: "four", wantErr: `context "four"`},
		{name: "no such current", current: "four", wantErr: `context "four"`},
		{name: "bad host", flagHost: "gopher://x", wantErr: "gopher"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := []byte(`{}`)
			if c.current != "" {
				config = []byte(`{"currentContext": "` + c.current + `", "HttpHeaders": {"X-A": "b"}}`)
			}
			if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("DOCKER_HOST", c.envHost)
			t.Setenv("DOCKER_CONTEXT", c.envContext)
			t.Setenv("DOCKER_TLS_VERIFY", "")
			t.Setenv("DOCKER_TLS", "")
			found, err := Target{Host: c.flagHost, Context: c.flagContext, ConfigDir: dir}.resolve()
			ep, headers := found.endpoint, found.headers
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("error %v, want %q in it", err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ep.Host != c.want {
				t.Errorf("endpoint %s, want %s", ep.Host, c.want)
			}
			if c.current != "" && headers["X-A"] != "b" {
				t.Errorf("headers of docker's config are missing: %v", headers)
			}
		})
	}
}

// DOCKER_CONFIG leads to the contexts, and the keys of TLS are read from DOCKER_CERT_PATH.
func TestResolveEnvironment(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://h:2376")
	t.Setenv("DOCKER_CERT_PATH", t.TempDir())
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	if _, err := (Target{ConfigDir: t.TempDir()}).resolve(); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("error %v, want one about ca.pem", err)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CERT_PATH"), "ca.pem"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Target{ConfigDir: t.TempDir()}.resolve()
	ep := found.endpoint
	if err != nil {
		t.Fatal(err)
	}
	if ep.TLSData == nil || string(ep.TLSData.CA) != "key" || ep.SkipTLSVerify {
		t.Errorf("TLS %+v, skip %v", ep.TLSData, ep.SkipTLSVerify)
	}
}

func addContext(t *testing.T, dir, name, host string) {
	t.Helper()
	s := store.New(filepath.Join(dir, "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	err := s.CreateOrUpdate(store.Metadata{
		Name: name, Metadata: map[string]any{"Description": "test"},
		Endpoints: map[string]any{docker.DockerEndpoint: docker.EndpointMeta{Host: host}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
