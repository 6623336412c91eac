package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A registry that wants a login, and one that does not take it, are told from one that is down, and no requests are told.
func TestDenied(t *testing.T) {
	closed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	defer closed.Close()
	for _, c := range []struct {
		name   string
		server *httptest.Server
		login  Login
		denied bool
	}{
		{"no login", closed, Login{}, true},
		{"wrong login", closed, Login{User: "u", Password: "wrong"}, true},
		{"server is down", gone, Login{User: "u", Password: "right"}, false},
	} {
		remote, err := Dial("oci://"+strings.TrimPrefix(c.server.URL, "http://")+"/davit", Options{
			PlainHTTP: true, Login: func(string) (Login, error) { return c.login, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.snapshots(t.Context()); err == nil || IsDenied(err) != c.denied || !c.denied && strings.Contains(err.Error(), "http://") {
			t.Errorf("%s: denied %v: %v", c.name, IsDenied(err), err)
		}
	}
}
