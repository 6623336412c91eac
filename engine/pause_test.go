package engine_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"davit/engine"
	"davit/engine/enginetest"
)

// A container whose processes did not stop in time is paused by asking again; one that cannot be paused is an error.
func TestPauseOfOneThatIsBusy(t *testing.T) {
	for _, c := range []struct {
		name    string
		busy    int32 // so many calls do not succeed
		message string
		calls   int32
		ok      bool
	}{
		{"at once", 0, "", 1, true},
		{"busy", 2, "OCI runtime pause failed: unable to freeze: unknown", 3, true},
		{"never", 9, "OCI runtime pause failed: unable to freeze: unknown", 3, false},
		{"not running", 9, "Container a is not running", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			host := enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Api-Version", "1.45")
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodPost && calls.Add(1) <= c.busy {
					w.WriteHeader(http.StatusInternalServerError)
					_, _ = w.Write([]byte(`{"message": "` + c.message + `"}`))
				}
			}))
			e, err := engine.Connect(t.Context(), engine.Target{Host: host})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := e.Pause(t.Context(), "a"); (err == nil) != c.ok || calls.Load() != c.calls {
				t.Errorf("%v after %d calls", err, calls.Load())
			}
		})
	}
}
