package systemd

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// fakeBus answers as the library does, with what is set.
type fakeBus struct {
	props    map[string]any
	result   string // of jobs; "" never ends
	err      error
	installs bool
	calls    []string
}

func (f *fakeBus) call(name string, units ...string) error {
	f.calls = append(f.calls, strings.TrimSpace(name+" "+strings.Join(units, " ")))
	return f.err
}

func (f *fakeBus) job(verb, unit, mode string, result chan<- string) (int, error) {
	err := f.call(verb, unit, mode)
	if err == nil && f.result != "" {
		result <- f.result
	}
	return 1, err
}

func (f *fakeBus) GetAllPropertiesContext(_ context.Context, unit string) (map[string]any, error) {
	return f.props, f.call("get", unit)
}
func (f *fakeBus) StartUnitContext(_ context.Context, name, mode string, r chan<- string) (int, error) {
	return f.job("start", name, mode, r)
}
func (f *fakeBus) StopUnitContext(_ context.Context, name, mode string, r chan<- string) (int, error) {
	return f.job("stop", name, mode, r)
}
func (f *fakeBus) RestartUnitContext(_ context.Context, name, mode string, r chan<- string) (int, error) {
	return f.job("restart", name, mode, r)
}
func (f *fakeBus) ReloadUnitContext(_ context.Context, name, mode string, r chan<- string) (int, error) {
	return f.job("reload", name, mode, r)
}
func (f *fakeBus) StartTransientUnitContext(_ context.Context, name, mode string, _ []dbus.Property, r chan<- string) (int, error) {
	return f.job("transient", name, mode, r)
}
func (f *fakeBus) ResetFailedUnitContext(_ context.Context, name string) error {
	return f.call("reset", name)
}
func (f *fakeBus) EnableUnitFilesContext(_ context.Context, files []string, _, _ bool) (bool, []dbus.EnableUnitFileChange, error) {
	return f.installs, nil, f.call("enable", files...)
}
func (f *fakeBus) DisableUnitFilesContext(_ context.Context, files []string, _ bool) ([]dbus.DisableUnitFileChange, error) {
	return nil, f.call("disable", files...)
}
func (f *fakeBus) MaskUnitFilesContext(_ context.Context, files []string, runtime, _ bool) ([]dbus.MaskUnitFileChange, error) {
	if !runtime {
		return nil, errors.New("a mask that outlives a boot")
	}
	return nil, f.call("mask", files...)
}
func (f *fakeBus) UnmaskUnitFilesContext(_ context.Context, files []string, runtime bool) ([]dbus.UnmaskUnitFileChange, error) {
	if !runtime {
		return nil, errors.New("a mask that outlives a boot")
	}
	return nil, f.call("unmask", files...)
}
func (f *fakeBus) ReloadContext(context.Context) error { return f.call("daemon-reload") }
func (f *fakeBus) Close()                              {}

// The values of the bus become a unit; what is absent or of another type is left out.
func TestUnit(t *testing.T) {
	f := &fakeBus{props: map[string]any{
		"Description": "Docker", "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
		"UnitFileState": "enabled", "FragmentPath": "/u", "DropInPaths": []string{"/d"}, "NeedDaemonReload": true,
		"TriggeredBy": []string{"docker.socket"}, "ActiveEnterTimestamp": uint64(5e6), "StateChangeTimestamp": uint64(9e6),
		"MainPID": uint32(7), "Result": "success", "NRestarts": uint32(2), "Type": "notify",
		"ExecStart":        [][]any{{"/bin/dockerd", []string{"/bin/dockerd", "-H", "fd://"}, false}, {"short"}},
		"Environment":      []string{"A=1"},
		"EnvironmentFiles": [][]any{{"/e", true}, {}},
		"Listen":           [][]any{{"Stream", "/run/docker.sock"}, {"x"}},
		"LoadError":        []any{"org.x", "broken"},
	}}
	got, err := (&Conn{bus: f}).Unit(t.Context(), "docker.service")
	want := Unit{Name: "docker.service", Description: "Docker", Load: "loaded", LoadError: "broken", Active: "active", Sub: "running",
		File: "enabled", Fragment: "/u", DropIns: []string{"/d"}, NeedReload: true, TriggeredBy: []string{"docker.socket"},
		Since: time.Unix(5, 0), MainPID: 7, Result: "success", Restarts: 2, Notify: true,
		Exec: [][]string{{"/bin/dockerd", "-H", "fd://"}}, Env: []string{"A=1"}, EnvFiles: []string{"/e"},
		Listen: []string{"/run/docker.sock"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	f.props = map[string]any{"LoadState": 3, "ExecStart": "x", "Listen": 1, "LoadError": "e", "ActiveState": "failed"}
	if got, err := (&Conn{bus: f}).Unit(t.Context(), "u"); err != nil || got.Up() || got.Since != (time.Time{}) || got.Exec != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Jobs end as the manager says, or are no longer waited for.
func TestJobs(t *testing.T) {
	for _, verb := range []Verb{Start, Stop, Restart, Reload} {
		f := &fakeBus{result: "done"}
		wait, err := (&Conn{bus: f}).Begin(t.Context(), verb, "u")
		if err != nil || wait(t.Context()) != nil || !slices.Equal(f.calls, []string{string(verb) + " u replace"}) {
			t.Errorf("%s: %v, %v", verb, err, f.calls)
		}
	}
	for _, result := range []string{"failed", "dependency", "canceled", "timeout"} {
		wait, err := (&Conn{bus: &fakeBus{result: result}}).Begin(t.Context(), Start, "u")
		if err != nil {
			t.Fatal(err)
		}
		var job *JobError
		if err := wait(t.Context()); !errors.As(err, &job) || job.Result != result || !strings.HasPrefix(err.Error(), "start u: ") {
			t.Errorf("%s: %v", result, err)
		}
	}
	wait, err := (&Conn{bus: &fakeBus{}}).Begin(t.Context(), Start, "u")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// A refusal is recognized in whosever words it comes; a unit that is not loaded has not failed.
func TestBusErrors(t *testing.T) {
	for _, name := range []string{"org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"} {
		c := &Conn{bus: &fakeBus{err: godbus.Error{Name: name}}}
		_, begin := c.Begin(t.Context(), Stop, "u")
		for _, err := range []error{begin, c.Enable(t.Context(), "u"), c.Disable(t.Context(), "u"), c.MaskRuntime(t.Context(), "u"),
			c.UnmaskRuntime(t.Context(), "u"), c.ReadFiles(t.Context()), c.ResetFailed(t.Context(), "u")} {
			if !errors.Is(err, ErrNotPermitted) {
				t.Errorf("error is %v", err)
			}
		}
	}
	c := &Conn{bus: &fakeBus{err: godbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}}}
	if err := c.ResetFailed(t.Context(), "u"); err != nil {
		t.Error(err)
	}
}

// The manager reads its files after each change of them.
func TestUnitFiles(t *testing.T) {
	f := &fakeBus{installs: true}
	c := &Conn{bus: f, dropIns: filepath.Join(t.TempDir(), "a", "b")}
	for _, err := range []error{
		c.Enable(t.Context(), "a", "b"), c.Disable(t.Context(), "a"), c.MaskRuntime(t.Context(), "a"), c.UnmaskRuntime(t.Context(), "a"),
		c.WriteDropIn(t.Context(), "a", "x.conf", "[Unit]\n"), c.RemoveDropIn(t.Context(), "a", "x.conf"),
		c.RemoveDropIn(t.Context(), "a", "x.conf"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"enable a b", "daemon-reload", "disable a", "daemon-reload", "mask a", "daemon-reload", "unmask a",
		"daemon-reload", "daemon-reload", "daemon-reload"}
	if !slices.Equal(f.calls, want) {
		t.Errorf("calls are %q", f.calls)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dropIns, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	f.installs = false
	if err := c.Enable(t.Context(), "a"); err == nil {
		t.Error("enabled what cannot be")
	}
}

// Messages come as text, as bytes, or not at all.
func TestParseJournal(t *testing.T) {
	got := parseJournal([]byte(`{"__REALTIME_TIMESTAMP":"5000000","MESSAGE":"a","PRIORITY":"3","UNIT":"u"}
{"__REALTIME_TIMESTAMP":"6000000","MESSAGE":[104,105,255]}
{"MESSAGE":null,"USER_UNIT":"u"}
no json
`))
	want := []Line{
		{Time: time.Unix(5, 0), Message: "a", Priority: 3, Manager: true},
		{Time: time.Unix(6, 0), Message: "hi\xff", Priority: 6},
		{Time: time.Unix(0, 0), Priority: 6, Manager: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// A timer that fires no more, or never did, has no such time.
func TestTimer(t *testing.T) {
	f := &fakeBus{props: map[string]any{"NextElapseUSecRealtime": uint64(7e6), "LastTriggerUSec": uint64(0)}}
	next, last, err := (&Conn{bus: f}).Timer(t.Context(), "x.timer")
	if err != nil || !next.Equal(time.Unix(7, 0)) || !last.IsZero() {
		t.Errorf("%v, %v, %v", next, last, err)
	}
	f.props = map[string]any{"NextElapseUSecRealtime": ^uint64(0), "LastTriggerUSec": uint64(5e6)}
	next, last, err = (&Conn{bus: f}).Timer(t.Context(), "x.timer")
	if err != nil || !next.IsZero() || !last.Equal(time.Unix(5, 0)) {
		t.Errorf("%v, %v, %v", next, last, err)
	}
}
