package engine_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"davit/engine"
	"davit/engine/enginetest"
)

// A container that is ending while its policy is changed is asked about again.
func TestSetRestartPolicyOfOneThatEnds(t *testing.T) {
	var calls atomic.Int32
	host := enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/update") && strings.Contains(r.URL.Path, "gone"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"message": "No such container: gone"}`))
		case strings.HasSuffix(r.URL.Path, "/update") && calls.Add(1) < 3:
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"message": "Cannot update container a: runc did not terminate successfully: exit status 1: container not running"}`))
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	e, err := engine.Connect(t.Context(), engine.Target{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.SetRestartPolicy(t.Context(), "a", engine.RestartPolicy{Name: "always"}); err != nil || calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	if err := e.SetRestartPolicy(t.Context(), "gone", engine.RestartPolicy{Name: "always"}); !engine.IsNotFound(err) {
		t.Error(err)
	}
}
