package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// fakeEngine serves an engine without any container, with one volume whose labels are hostile. It is only read from:
// every other request is an error of the test, unless it asks an engine for a helper's image that refuses it.
func fakeEngine(t *testing.T, refusesHelpers bool) (endpoint string) {
	volume := map[string]any{
		"Name": "data", "Driver": "local", "Mountpoint": "/nonexistent/data/_data", "Scope": "local",
		"Labels": map[string]string{"evil": "\x1b[31mred\nline"}, "Options": map[string]string{},
	}
	answers := map[string]any{
		"/version": map[string]any{"Version": "28.5.2", "ApiVersion": "1.51", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"},
		"/info": map[string]any{"ID": "fake", "Name": "fake\x1b[31m", "ServerVersion": "28.5.2", "DockerRootDir": "/nonexistent",
			"Driver": "overlay2", "OSType": "linux", "Architecture": "x86_64"},
		"/containers/json": []any{},
		"/images/json":     []any{},
		"/networks":        []any{},
		"/volumes":         map[string]any{"Volumes": []any{volume}},
		"/volumes/data":    volume,
		"/system/df":       map[string]any{"BuildCache": []any{}},
	}
	return enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if rest, isVersioned := strings.CutPrefix(path, "/v1."); isVersioned {
			_, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
		w.Header().Set("Api-Version", "1.51")
		w.Header().Set("Ostype", "linux")
		w.Header().Set("Content-Type", "application/json")
		answer, known := answers[path]
		switch {
		case path == "/_ping":
			_, _ = w.Write([]byte("OK"))
		case refusesHelpers && r.Method == http.MethodPost && path == "/images/create":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"no images here"}`))
		case r.Method != http.MethodGet:
			t.Errorf("the engine is told to %s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusInternalServerError)
		case !known:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message":"no such object: ` + path + `"}`))
		default:
			_ = json.NewEncoder(w).Encode(answer)
		}
	}))
}
