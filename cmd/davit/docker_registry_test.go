package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"

	"golang.org/x/crypto/bcrypt"
)

// Push, pull, login and search against a real registry and a stub of the search endpoint, both on the loopback of the
// engines: the same with docker's client and with davit.
func TestDockerRegistry(t *testing.T) {
	versions := []string{"28.5"}
	if everything() {
		versions = append(versions, "20.10")
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			both := newSides(t, version)
			for _, s := range []*side{both.docker, both.davit} {
				startRegistry(t, s)
				serveSearch(t, s)
			}
			both.table(t, "../../testdata/docker/registry/registry.txt", version)
		})
	}
}

// startRegistry starts a registry with one user.
func startRegistry(t *testing.T, s *side) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("u:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.engine.StartRegistry(t, fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", users))
}

// serveSearch answers searches at 127.0.0.1:5001 of the engine's network.
func serveSearch(t *testing.T, s *side) {
	t.Helper()
	listener, err := enginetest.InNetns(s.engine.Netns, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:5001") })
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Docker-Registry-Standalone", "true")
		if !strings.Contains(r.URL.Path, "/v1/search") {
			_, _ = w.Write([]byte(`{"standalone":true}`))
			return
		}
		_, _ = w.Write([]byte(`{"num_results":2,"query":"redis","results":[` +
			`{"name":"redis","description":"a store, with a text that is longer than what fits into the column","star_count":12000,"is_official":true},` +
			`{"name":"someone/redis","description":"evil\u001b[31m","star_count":7,"is_official":false}]}`))
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}
