package service

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/systemd"
)

// A stop asks for the stop of the socket first, and waits only when all are asked for.
func TestStopOrder(t *testing.T) {
	f := newFake()
	c, err := find(t, f).Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.called(t, "stop docker.socket", "stop docker.service", "wait stop docker.socket", "wait stop docker.service")
	if !reflect.DeepEqual(c.Units, []string{"docker.socket", "docker.service"}) {
		t.Errorf("stopped %v", c.Units)
	}
}

// Only what is up is stopped: an armed socket of a stopped service, too.
func TestStopWhatIsUp(t *testing.T) {
	f := newFake()
	f.units["docker.service"].Active = "inactive"
	if _, err := find(t, f).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.called(t, "stop docker.socket", "wait stop docker.socket")

	f = newFake().set("inactive")
	if c, err := find(t, f).Stop(t.Context()); err != nil || c.Units != nil {
		t.Errorf("%v, %v", c, err)
	}
	f.called(t)
}

// What comes up again while it is being stopped is not told as stopped.
func TestStopAndSomethingStartsIt(t *testing.T) {
	f := newFake()
	f.after = func(call string) {
		if call == "stop docker.service" {
			f.units["docker.socket"].Active = "active"
		}
	}
	if _, err := find(t, f).Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "started it again") {
		t.Errorf("error is %v", err)
	}
}

// Past failures are forgotten before a start; only enabled sockets are armed by themselves.
func TestStart(t *testing.T) {
	f := newFake().set("failed")
	if _, err := find(t, f).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.called(t, "reset docker.socket", "reset docker.service", "start docker.socket", "wait start docker.socket",
		"start docker.service", "wait start docker.service")

	f = newFake().set("inactive")
	f.units["docker.socket"].File = "disabled"
	if _, err := find(t, f).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.called(t, "reset docker.socket", "reset docker.service", "start docker.service", "wait start docker.service")

	f = newFake()
	if c, err := find(t, f).Start(t.Context()); err != nil || c.Units != nil {
		t.Errorf("%v, %v", c, err)
	}
	f.called(t)
}

func TestStartErrors(t *testing.T) {
	said := []systemd.Line{{Message: `time="2026-01-02T03:04:05Z" level=info msg="Starting up"`}, {Message: "failed to start daemon: no disk"}}
	for _, c := range []struct {
		name  string
		setup func(*fakeManager)
		check func(error) bool
	}{
		{"masked", func(f *fakeManager) {
			f.units["docker.service"].Load, f.units["docker.service"].File = "masked", "masked-runtime"
		}, func(err error) bool {
			var e *MaskedError
			return errors.As(err, &e) && e.Runtime && e.Unit == "docker.service"
		}},
		{"bad unit file", func(f *fakeManager) { f.units["docker.service"].Load = "bad-setting" },
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "cannot be used") }},
		{"the engine says why", func(f *fakeManager) {
			f.lines = said
			f.fail["start docker.service"] = &systemd.JobError{Verb: "start", Unit: "docker.service", Result: "failed"}
		}, func(err error) bool {
			return err != nil && err.Error() == "start docker.service: failed to start daemon: no disk"
		}},
		{"nobody says why", func(f *fakeManager) {
			f.units["docker.service"].Result = "start-limit-hit"
			f.fail["start docker.service"] = &systemd.JobError{Verb: "start", Unit: "docker.service", Result: "failed"}
		}, func(err error) bool { return err != nil && err.Error() == "start docker.service: start-limit-hit" }},
		{"too slow", func(f *fakeManager) { f.fail["start docker.service"] = context.DeadlineExceeded },
			func(err error) bool { var e *SlowError; return errors.As(err, &e) }},
		{"interrupted", func(f *fakeManager) { f.fail["start docker.service"] = context.Canceled },
			func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"ends at once", func(f *fakeManager) {
			f.after = func(call string) {
				if call == "start docker.service" {
					f.units["docker.service"].Active, f.units["docker.service"].Sub = "activating", "auto-restart"
				}
			}
		}, func(err error) bool {
			var e *FailedError
			return errors.As(err, &e) && e.Retries && e.Reason == "it ended at once"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake().set("inactive")
			c.setup(f)
			if _, err := find(t, f).Start(t.Context()); !c.check(err) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// A service that does not run is started by restart, and cannot be reloaded.
func TestRestartAndReload(t *testing.T) {
	f := newFake()
	if _, err := find(t, f).Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.called(t, "reset docker.service", "restart docker.service", "wait restart docker.service")
	f = newFake().set("inactive")
	if c, err := find(t, f).Restart(t.Context()); err != nil || len(c.Units) != 2 {
		t.Errorf("%v, %v", c, err)
	}
	var none *NotRunningError
	if _, err := find(t, newFake().set("inactive")).Reload(t.Context()); !errors.As(err, &none) {
		t.Errorf("error is %v", err)
	}
}

// Only what is not so yet is enabled or disabled.
func TestEnableAndDisable(t *testing.T) {
	f := newFake()
	f.units["docker.service"].File = "disabled"
	if _, err := find(t, f).Enable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t, f).Disable(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.called(t, "enable docker.service", "disable docker.socket")
	f.units["docker.socket"].File = "static"
	if c, err := find(t, f).Disable(t.Context()); err != nil || c.Units != nil {
		t.Errorf("%v, %v", c, err)
	}
}

func TestNotFound(t *testing.T) {
	var missing *NotFoundError
	if _, err := Find(t.Context(), newFake(), Usual{}, nil, "a", "b.service"); !errors.As(err, &missing) {
		t.Errorf("error is %v", err)
	}
}

// The engine is called only when its service runs: a call would start it.
func TestStatusCallsOnlyWhatRuns(t *testing.T) {
	for active, want := range map[string]int{"active": 1, "reloading": 1, "inactive": 0, "activating": 0, "failed": 0} {
		f, calls := newFake().set(active), 0
		st, err := find(t, f).Status(t.Context(), func(_ context.Context, endpoint string) (engine.Info, error) {
			calls++
			if endpoint != "unix:///run/fake.sock" {
				t.Errorf("called %s", endpoint)
			}
			return engine.Info{Version: "1", DataRoot: "/told", Driver: "overlay2"}, nil
		})
		if err != nil || calls != want {
			t.Errorf("%s: %d calls, %v", active, calls, err)
		}
		root := "/usual"
		if want == 1 {
			root = "/told"
		}
		if st.DataRoot != root {
			t.Errorf("%s: data-root is %s", active, st.DataRoot)
		}
	}
}

// Settings come from flags, from variables in the unit, and from the file.
func TestStatusSettings(t *testing.T) {
	f := newFake().set("failed")
	f.lines = []systemd.Line{{Message: "failed to start daemon: x"}}
	env := t.TempDir() + "/env"
	u := f.units["docker.service"]
	u.EnvFiles, u.Env = []string{env, env + "-absent"}, []string{"ROOT=/wrong"}
	u.Exec = [][]string{{"/usr/bin/dockerd-fake", "-H", "unix:///a.sock", "$OPTS", "--data-root=${ROOT}/d", "$NOTHING"}}
	text := "# comment\nROOT='/my root'\nOPTS=\"--storage-driver vfs\" \\\n --debug\n"
	if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := find(t, f)
	if err := os.WriteFile(s.usual.ConfigFile, []byte(`{"data-root": "/file", "storage-driver": "overlay2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if st.DataRoot != "/my root/d" || st.Driver != "vfs" || st.Endpoint != "unix:///a.sock" || st.Reason != "failed to start daemon: x" {
		t.Errorf("%+v", st)
	}
	if len(st.Conflicts) != 2 || st.Conflicts[0].Key != "data-root" || st.Conflicts[1].Key != "storage-driver" {
		t.Errorf("conflicts are %v", st.Conflicts)
	}
	var config *ConfigError
	if err := s.CheckConfig(t.Context()); !errors.As(err, &config) {
		t.Errorf("error is %v", err)
	}
}

type fakeEngine struct {
	info       engine.Info
	containers []engine.Container
}

func (f fakeEngine) Info(context.Context) (engine.Info, error)              { return f.info, nil }
func (f fakeEngine) Containers(context.Context) ([]engine.Container, error) { return f.containers, nil }

// Lost are containers that run with --rm, unless they outlive the engine.
func TestLoss(t *testing.T) {
	containers := []engine.Container{
		{Name: "z", Running: true, AutoRemove: true}, {Name: "stopped", AutoRemove: true},
		{Name: "plain", Running: true}, {Name: "a", Running: true, Paused: true, AutoRemove: true},
	}
	var loss *LossError
	if err := Loss(t.Context(), fakeEngine{containers: containers}); !errors.As(err, &loss) || !reflect.DeepEqual(loss.Containers, []string{"a", "z"}) {
		t.Errorf("error is %v", err)
	}
	if err := Loss(t.Context(), fakeEngine{containers: containers, info: engine.Info{LiveRestore: true}}); err != nil {
		t.Errorf("with live-restore: %v", err)
	}
	if err := Loss(t.Context(), fakeEngine{containers: containers[1:3]}); err != nil {
		t.Errorf("nothing to lose: %v", err)
	}
}

// The reason is the engine's last complaint, and the manager's when the engine said nothing.
func TestReason(t *testing.T) {
	info := systemd.Line{Message: `time="2026-01-02T03:04:05.678Z" level=info msg="Processing signal 'terminated'"`, Priority: 6}
	fatal := systemd.Line{Message: `time="2026-01-02T03:04:05Z" level=fatal msg="open \"/x\": denied" error="e"`, Priority: 6}
	plain := systemd.Line{Message: "failed to start daemon: listen tcp: in use", Priority: 6}
	exit := systemd.Line{Message: "docker.service: Main process exited", Priority: 5, Manager: true}
	locate := systemd.Line{Message: "docker.service: Failed to locate executable", Priority: 3, Manager: true}
	final := systemd.Line{Message: "Failed to start docker.service", Priority: 3, Manager: true}
	for _, c := range []struct {
		lines []systemd.Line
		want  string
	}{
		{nil, ""},
		{[]systemd.Line{info, exit}, ""},
		{[]systemd.Line{info, plain, exit, final}, "failed to start daemon: listen tcp: in use"},
		{[]systemd.Line{plain, fatal, info, exit, final}, `open "/x": denied`},
		{[]systemd.Line{exit, locate, final}, "docker.service: Failed to locate executable"},
	} {
		if got := reason(c.lines); got != c.want {
			t.Errorf("%v: %q, want %q", c.lines, got, c.want)
		}
	}
}

// An engine whose unit does not say when it is ready is called until it answers; one that ends instead has failed.
func TestReady(t *testing.T) {
	f := newFake().set("inactive")
	s := find(t, f)
	c, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	ask := func(_ context.Context, endpoint string) (engine.Info, error) {
		calls++
		if calls < 3 || endpoint != "unix:///run/fake.sock" {
			return engine.Info{}, errors.New("refused")
		}
		return engine.Info{}, nil
	}
	if c, err = s.Ready(t.Context(), c, ask); err != nil || c.Unit.Active != "active" || calls != 3 {
		t.Errorf("after %d calls it is %+v, %v", calls, c.Unit, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var slow *SlowError
	if _, err := s.Ready(ctx, c, func(context.Context, string) (engine.Info, error) { return engine.Info{}, errors.New("refused") }); !errors.As(err, &slow) {
		t.Errorf("an engine that never answers: %v", err)
	}

	f.lines = []systemd.Line{{Message: "no such disk"}}
	var failed *FailedError
	_, err = s.Ready(t.Context(), c, func(context.Context, string) (engine.Info, error) {
		f.set("failed")
		return engine.Info{}, errors.New("refused")
	})
	if !errors.As(err, &failed) || failed.Reason != "no such disk" {
		t.Errorf("an engine that ends: %v", err)
	}

	f.set("active").units["docker.service"].Notify = true
	c.Unit.Notify = true
	if _, err := s.Ready(t.Context(), c, nil); err != nil {
		t.Errorf("a unit that has said itself that it is ready: %v", err)
	}
}
