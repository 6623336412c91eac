package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// BuildKit builds an image with BuildKit, as `docker buildx build` does, and leaves its cache.
func (d *Dockerd) BuildKit(t testing.TB, ref, dockerfile string) {
	t.Helper()
	if err := d.TryBuildKit(ref, dockerfile); err != nil {
		t.Fatal(err)
	}
}

// TryBuildKit is BuildKit for builds that may fail, for any goroutine: the error holds what the engine said.
func (d *Dockerd) TryBuildKit(ref, dockerfile string) error {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	layerWriter{w}.add(tar.Header{Name: "Dockerfile", Mode: 0o644}, dockerfile)
	if err := w.Close(); err != nil {
		return err
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(d.Host, "unix://"))
	}}
	query := url.Values{"version": {"2"}, "networkmode": {"none"}, "t": {ref}}
	answer, err := (&http.Client{Transport: tr}).Post("http://engine/build?"+query.Encode(), "application/x-tar", &buf)
	if err != nil {
		return fmt.Errorf("build %s: %w", ref, err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || bytes.Contains(out, []byte("errorDetail"))) {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, out)
	}
	if err != nil {
		return fmt.Errorf("build %s: %w", ref, err)
	}
	return nil
}
