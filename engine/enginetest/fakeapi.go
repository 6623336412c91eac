package enginetest

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FakeAPI serves handler on a unix socket and returns its endpoint, "unix:///…", short
// enough for any client. It ends with the test. Handlers see paths with the version the
// client chose, "/v1.41/containers/json", and are to answer "/_ping".
func FakeAPI(t testing.TB, handler http.Handler) string {
	t.Helper()
	base := os.TempDir()
	if len(base) > maxBase {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "dvapi-")
	if err != nil {
		t.Fatalf("make a folder for a socket: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// Who may use the socket is for the socket's own mode to say.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("fake API: %v", err)
		}
	})
	return "unix://" + socket
}
