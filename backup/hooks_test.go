package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine"
)

// fakeHooks gives containers with the label davit.backup.pre a hook that writes into the log of a holder.
type fakeHooks struct {
	holder         *fakeHolder
	onPre          func()
	preErr, posErr error
}

func (f *fakeHooks) Of(c engine.Container, labels map[string]string) (Hook, error) {
	switch labels[LabelPre] {
	case "":
		return nil, nil
	case "bad":
		return nil, errors.New("pre is bad")
	}
	return &fakeHook{f, c.Name}, nil
}

type fakeHook struct {
	*fakeHooks
	name string
}

func (h *fakeHook) Describe() string { return "before: dump" }

func (h *fakeHook) Pre(context.Context) error {
	h.holder.log = append(h.holder.log, "pre "+h.name)
	if h.onPre != nil {
		h.onPre()
	}
	return h.preErr
}

func (h *fakeHook) Post(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.holder.log = append(h.holder.log, "post "+h.name)
	return h.posErr
}

// A hook runs before the freeze and after the thaw, and what it wrote is in the snapshot.
func TestHooksAroundTheFreeze(t *testing.T) {
	for _, tc := range []struct {
		name   string
		labels map[string]string
		extra  map[string]map[string]string
		want   []string
	}{
		{"labels", map[string]string{LabelPre: "dump"}, nil, []string{"pre db", "pause db", "thaw db", "post db"}},
		{"inherited labels", map[string]string{LabelPre: "dump", "inherited": "yes"}, nil, []string{"pause db", "thaw db"}},
		{"the caller's", nil, map[string]map[string]string{"db": {LabelPre: "dump"}}, []string{"pre db", "pause db", "thaw db", "post db"}},
		{"the caller's first", map[string]string{LabelPre: "bad"}, map[string]map[string]string{"db": {LabelPre: "dump", LabelConsistency: "stop"}},
			[]string{"pre db", "stop db", "thaw db", "post db"}},
		{"not held", map[string]string{LabelPre: "dump", LabelConsistency: "live"}, nil, []string{"pre db", "post db"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eng, data := frozenVolume(t)
			eng.containers[0].Labels = tc.labels
			if tc.labels["inherited"] != "" {
				eng.inherited = map[string]map[string]string{"c1": tc.labels}
			}
			env := testEnv(t, eng)
			holder := &fakeHolder{}
			env.Hold = holder.open
			env.Hooks = &fakeHooks{holder: holder, onPre: func() { write(t, data+"/dump", "dumped") }}
			create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}, Labels: tc.extra})
			if !slices.Equal(holder.log, tc.want) {
				t.Errorf("it went %q, want %q", holder.log, tc.want)
			}
			if slices.Contains(tc.want, "pre db") && read(t, restoreTo(t, env, "latest:volume/pgdata")+"/dump") != "dumped" {
				t.Error("what the hook wrote is not in the snapshot")
			}
		})
	}
}

// A hook that fails before fails what its container writes to, and nothing else; what ends it is run all the same. One that fails
// afterwards is a problem of what is saved.
func TestHooksThatFail(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hooks fakeHooks
		label string
		saved bool
		want  []string
	}{
		{"before", fakeHooks{preErr: errors.New("no dump")}, "dump", false, []string{"pre db", "post db"}},
		{"afterwards", fakeHooks{posErr: errors.New("no unlock")}, "dump", true, []string{"pre db", "pause db", "thaw db", "post db"}},
		{"labels", fakeHooks{}, "bad", false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eng, _ := frozenVolume(t)
			eng.containers[0].Labels = map[string]string{LabelPre: tc.label}
			other := t.TempDir()
			write(t, other+"/file", "other")
			eng.volumes = append(eng.volumes, engine.Volume{Name: "www", Driver: "local", Mountpoint: other, Raw: []byte(`{"Name":"www"}`)})
			env := testEnv(t, eng)
			holder := &fakeHolder{}
			env.Hold, tc.hooks.holder, env.Hooks = holder.open, holder, &tc.hooks
			report, err := tryCreate(env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata", "www"}}})
			var partial *PartialError
			if !errors.As(err, &partial) || len(report.Problems) != 1 || report.Problems[0].Item != "volume/pgdata" ||
				!strings.Contains(report.Problems[0].Reason, "container db") {
				t.Fatalf("%+v, %v", report.Problems, err)
			}
			for _, it := range report.Items {
				if it.Kind == KindVolume && it.Saved != (it.Name == "www" || tc.saved) {
					t.Errorf("saved: %+v", it)
				}
			}
			if !slices.Equal(holder.log, tc.want) {
				t.Errorf("it went %q, want %q", holder.log, tc.want)
			}
		})
	}
}

// A hook is ended also when the run is ended meanwhile.
func TestHooksOfARunThatEnds(t *testing.T) {
	eng, _ := frozenVolume(t)
	eng.containers[0].Labels = map[string]string{LabelPre: "dump"}
	env := testEnv(t, eng)
	holder := &fakeHolder{}
	ctx, cancel := context.WithCancel(t.Context())
	env.Hold, env.Hooks = holder.open, &fakeHooks{holder: holder, onPre: cancel, preErr: context.Canceled}
	plan, err := PlanCreate(ctx, env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Groups) != 1 || len(plan.Groups[0].Hooks) != 1 || plan.Groups[0].Hooks[0].Runs != "before: dump" {
		t.Errorf("the plan is %+v", plan.Groups)
	}
	if _, err := ApplyCreate(ctx, env, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if want := []string{"pre db", "post db"}; !slices.Equal(holder.log, want) {
		t.Errorf("it went %q, want %q", holder.log, want)
	}
}

// Labels of a container leave out files of what it mounts, and only there.
func TestLabelExcludes(t *testing.T) {
	eng, data := frozenVolume(t)
	write(t, data+"/core", "big")
	write(t, data+"/cache/x", "big")
	eng.containers[0].Labels = map[string]string{LabelExclude: "core, cache/*,[", LabelConsistency: "live"}
	other := t.TempDir()
	write(t, other+"/core", "kept")
	eng.volumes = append(eng.volumes, engine.Volume{Name: "www", Driver: "local", Mountpoint: other, Raw: []byte(`{"Name":"www"}`)})
	env := testEnv(t, eng)
	report := create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata", "www"}}, RPO: 26 * time.Hour})
	if !slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, `"[" is no pattern`) }) {
		t.Errorf("notes are %q", report.Notes)
	}
	out := restoreTo(t, env, "latest:volume/pgdata")
	if left, _ := filepath.Glob(out + "/*/*"); len(left) > 0 {
		t.Errorf("restored: %v", left)
	}
	if _, err := os.Stat(out + "/core"); !errors.Is(err, os.ErrNotExist) || read(t, out+"/table") != "warm" {
		t.Errorf("core: %v", err)
	}
	if read(t, restoreTo(t, env, "latest:volume/www")+"/core") != "kept" {
		t.Error("the label reached another volume")
	}
	snaps, err := env.Repo.Snapshots(t.Context())
	if err != nil || RPO(snaps[0]) != 26*time.Hour {
		t.Errorf("the snapshot says %v, %v", snaps, err)
	}
}
