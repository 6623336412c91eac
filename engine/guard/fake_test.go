package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeEngine is an engine without containers: it keeps their states and answers over a
// unix socket, so that several real processes can use it, and it can go away and return.
type fakeEngine struct {
	t    *testing.T
	sock string
	srv  *http.Server

	mu    sync.Mutex
	c     map[string]*State
	log   []string                   // deeds that took effect, "verb name"
	hook  func(verb, name string)    // before a deed, not locked
	delay map[string]time.Duration   // of a deed, by verb, as an engine takes time
	fail  map[string]map[string]bool // verb -> name -> answer 500 and do nothing
	no    func()                     // after such an answer, locked
}

func newFakeEngine(t *testing.T, states ...State) *fakeEngine {
	dir, err := os.MkdirTemp("", "guard") // short: socket paths are limited
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	f := &fakeEngine{t: t, sock: filepath.Join(dir, "s"), c: map[string]*State{},
		delay: map[string]time.Duration{}, fail: map[string]map[string]bool{}}
	for _, s := range states {
		f.c[s.ID] = &s
	}
	f.listen()
	t.Cleanup(f.hangUp)
	return f
}

// running is a container of project p that runs.
func running(name string, dependsOn ...string) State {
	return State{Target: Target{ID: "id-" + name, Name: name, Project: "p", Service: name, Number: "1", DependsOn: dependsOn},
		Running: true, StartedAt: time.Unix(1000, 0).UTC()}
}

func (f *fakeEngine) listen() {
	l, err := net.Listen("unix", f.sock)
	must(f.t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /c/{ref}", f.inspect)
	mux.HandleFunc("GET /services", f.services)
	mux.HandleFunc("POST /c/{ref}/{verb}", f.deed)
	f.srv = &http.Server{Handler: mux}
	go func() { _ = f.srv.Serve(l) }()
}

// hangUp ends all connections and refuses new ones.
func (f *fakeEngine) hangUp() { _ = f.srv.Close() }

func (f *fakeEngine) find(ref string) *State {
	if s := f.c[ref]; s != nil {
		return s
	}
	for _, s := range f.c {
		if s.Name == ref {
			return s
		}
	}
	return nil
}

func (f *fakeEngine) inspect(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.find(r.PathValue("ref"))
	if s == nil {
		http.Error(w, "none", http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(s)
}

func (f *fakeEngine) services(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []State{}
	for _, s := range f.c {
		if s.Project == r.FormValue("project") && s.Service == r.FormValue("service") {
			all = append(all, *s)
		}
	}
	_ = json.NewEncoder(w).Encode(all)
}

// deed carries a request out whether or not its sender lives to see it, as engines do.
func (f *fakeEngine) deed(w http.ResponseWriter, r *http.Request) {
	verb := r.PathValue("verb")
	f.mu.Lock()
	s, wait, hook := f.find(r.PathValue("ref")), f.delay[verb], f.hook
	f.mu.Unlock()
	if s == nil {
		http.Error(w, "none", http.StatusNotFound)
		return
	}
	if hook != nil {
		hook(verb, s.Name)
	}
	done := time.NewTimer(wait)
	<-done.C
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail[verb][s.Name] {
		http.Error(w, "no", http.StatusInternalServerError)
		if f.no != nil {
			f.no()
		}
		return
	}
	if !apply(s, verb) {
		http.Error(w, "state", http.StatusConflict)
		return
	}
	f.log = append(f.log, verb+" "+s.Name)
}

func apply(s *State, verb string) bool {
	switch {
	case verb == "pause" && s.Running && !s.Paused:
		s.Paused = true
	case verb == "unpause" && s.Paused:
		s.Paused = false
	case verb == "stop":
		s.Running, s.Paused = false, false
	case verb == "start" && s.Running:
	case verb == "start":
		s.Running, s.StartedAt = true, s.StartedAt.Add(time.Second)
	default:
		return false
	}
	return true
}

// edit changes the engine's state behind everybody's back.
func (f *fakeEngine) edit(change func(c map[string]*State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.c)
}

func (f *fakeEngine) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// is tells a container's state in a word.
func (f *fakeEngine) is(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch s := f.find(name); {
	case s == nil:
		return "gone"
	case s.Paused:
		return "paused"
	case s.Running:
		return "running"
	}
	return "stopped"
}

// fakeClient speaks to a fakeEngine.
type fakeClient struct{ http *http.Client }

func dialFake(_ context.Context, sock string) (Engine, error) {
	c := fakeClient{&http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", sock)
		}}}}
	if _, err := c.ByService(context.Background(), "", ""); err != nil {
		return nil, fmt.Errorf("cannot reach the engine at %s: %w", sock, err)
	}
	return c, nil
}

func (c fakeClient) do(ctx context.Context, method, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://fake"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return ErrNotFound
	case resp.StatusCode == http.StatusConflict:
		return ErrConflict
	case resp.StatusCode >= 300:
		return errors.New(resp.Status)
	case answer != nil:
		return json.NewDecoder(resp.Body).Decode(answer)
	}
	return nil
}

func (c fakeClient) Inspect(ctx context.Context, ref string) (s State, err error) {
	return s, c.do(ctx, "GET", "/c/"+ref, &s)
}

func (c fakeClient) ByService(ctx context.Context, project, service string) (all []State, err error) {
	q := url.Values{"project": {project}, "service": {service}}
	return all, c.do(ctx, "GET", "/services?"+q.Encode(), &all)
}

func (c fakeClient) Pause(ctx context.Context, id string) error {
	return c.do(ctx, "POST", "/c/"+id+"/pause", nil)
}
func (c fakeClient) Unpause(ctx context.Context, id string) error {
	return c.do(ctx, "POST", "/c/"+id+"/unpause", nil)
}
func (c fakeClient) Stop(ctx context.Context, id string) error {
	return c.do(ctx, "POST", "/c/"+id+"/stop", nil)
}
func (c fakeClient) Start(ctx context.Context, id string) error {
	return c.do(ctx, "POST", "/c/"+id+"/start", nil)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
