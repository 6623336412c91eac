package storage

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A machine whose clock is wrong by more than the server allows is told so, at once.
func TestS3WrongClock(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>`)
	}))
	defer server.Close()
	store, err := Connect(t.Context(), "s3://"+server.URL+"/bucket/davit", Options{Cache: t.TempDir(), Getenv: func(name string) string {
		return map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Put(t.Context(), "davit/x", []byte("x"))
	if err == nil || !strings.Contains(err.Error(), "the clock of this machine differs too much from that of 127.0.0.1") || IsDenied(err) || asked.Load() != 1 {
		t.Errorf("after %d requests: %v", asked.Load(), err)
	}
}
