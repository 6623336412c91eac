package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"davit/engine"
)

// savedVolume is an engine with a volume, saved, and the snapshot's repository.
func savedVolume(t *testing.T) (*fakeEngine, *Env, string) {
	t.Helper()
	eng, data := frozenVolume(t)
	eng.room = engine.Room{Path: "/", Free: 1 << 40}
	env := testEnv(t, eng)
	env.Hold = (&fakeHolder{}).open
	create(t, env, CreateOptions{})
	return eng, env, data
}

// planText is a plan in a few words.
func planText(p *RestorePlan) string {
	var words []string
	for _, s := range p.Steps {
		words = append(words, fmt.Sprintf("%s %s", s.Action, s.Ref()))
	}
	for _, r := range p.Refused {
		words = append(words, "refused "+r.Item+": "+r.Reason)
	}
	return strings.Join(words, "; ")
}

// A plan says what a restore would do to this host as it is, and refuses what would destroy something.
func TestRestorePlans(t *testing.T) {
	for _, tc := range []struct {
		name string
		host func(t *testing.T, eng *fakeEngine, data string)
		o    RestoreOptions
		want string
	}{
		{"a volume that is gone", func(_ *testing.T, eng *fakeEngine, _ string) { eng.volumes, eng.containers = nil, nil },
			RestoreOptions{Spec: "latest"}, "create-volume volume/pgdata"},
		{"its container, too", func(_ *testing.T, eng *fakeEngine, _ string) { eng.volumes, eng.containers = nil, nil },
			RestoreOptions{Spec: "latest", Containers: true}, "create-volume volume/pgdata; create-container container/db"},
		{"and running", func(_ *testing.T, eng *fakeEngine, _ string) { eng.volumes, eng.containers = nil, nil },
			RestoreOptions{Spec: "latest", Start: true},
			"create-volume volume/pgdata; create-container container/db; start-container container/db"},
		{"a volume with data", nil, RestoreOptions{Spec: "latest"},
			"refused volume/pgdata: volume exists and holds data"},
		{"an empty volume in use", func(t *testing.T, _ *fakeEngine, data string) { must(t, os.Remove(data+"/table")) },
			RestoreOptions{Spec: "latest"}, "refused volume/pgdata: volume exists and is in use by db"},
		{"an empty volume", func(t *testing.T, eng *fakeEngine, data string) {
			must(t, os.Remove(data+"/table"))
			eng.containers = nil
		}, RestoreOptions{Spec: "latest"}, "fill-volume volume/pgdata"},
		{"in place", nil, RestoreOptions{Spec: "latest", InPlace: true}, "replace-volume volume/pgdata"},
		{"in place with a --rm user", func(_ *testing.T, eng *fakeEngine, _ string) { eng.containers[0].AutoRemove = true },
			RestoreOptions{Spec: "latest", InPlace: true},
			"refused volume/pgdata: stopping the --rm container db deletes it and its anonymous volumes"},
		{"in place, the loss is allowed", func(_ *testing.T, eng *fakeEngine, _ string) { eng.containers[0].AutoRemove = true },
			RestoreOptions{Spec: "latest", InPlace: true, AllowRMLoss: true}, "replace-volume volume/pgdata"},
		{"in place with a swarm user", func(_ *testing.T, eng *fakeEngine, _ string) { eng.containers[0].Swarm = true },
			RestoreOptions{Spec: "latest", InPlace: true},
			"refused volume/pgdata: container db belongs to a swarm service, which would start another"},
		{"in place on a device", func(_ *testing.T, eng *fakeEngine, _ string) {
			eng.volumes[0].Options = map[string]string{"type": "nfs", "device": ":/x"}
		}, RestoreOptions{Spec: "latest", InPlace: true},
			"refused volume/pgdata: only plain local volumes are replaced in place, and this one is on a device or of another driver"},
		{"into another volume", nil, RestoreOptions{Spec: "latest:volume/pgdata", ToVolume: "copy"}, "create-volume volume/pgdata"},
		{"into a volume that exists", nil, RestoreOptions{Spec: "latest:volume/pgdata", ToVolume: "pgdata"},
			"refused volume/pgdata: volume pgdata exists already"},
		{"a container that exists", nil, RestoreOptions{Spec: "latest:container/db"},
			"refused container/db: a container of this name exists already"},
		{"an engine far away", func(_ *testing.T, eng *fakeEngine, _ string) { eng.volumes, eng.notLocal = nil, "tcp" },
			RestoreOptions{Spec: "latest"}, "refused volume/pgdata: the engine is not local: tcp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eng, env, data := savedVolume(t)
			if tc.host != nil {
				tc.host(t, eng, data)
			}
			plan, err := PlanRestore(context.Background(), env, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := planText(plan); got != tc.want {
				t.Errorf("plan: %s\nwant: %s", got, tc.want)
			}
			if len(plan.Refused) == 0 {
				return
			}
			var refused *RefusedError
			if report, err := ApplyRestore(context.Background(), env, plan); !errors.As(err, &refused) || report != nil {
				t.Errorf("a refused plan was carried out: %+v, %v", report, err)
			}
		})
	}
}

// Contradictions and names that do not exist are told before anything is looked at.
func TestRestoreRefusesOptions(t *testing.T) {
	_, env, _ := savedVolume(t)
	full := t.TempDir()
	write(t, full+"/f", "mine")
	for _, tc := range []struct {
		o    RestoreOptions
		want string
	}{
		{RestoreOptions{Spec: "latest", To: "/x", InPlace: true}, "exclude each other"},
		{RestoreOptions{Spec: "latest", ToVolume: "x"}, "--to-volume needs one item"},
		{RestoreOptions{Spec: "latest:container/db//a", To: "/x"}, "holds no files"},
		{RestoreOptions{Spec: "latest:volume/pgdata//table"}, "needs --to DIR"},
		{RestoreOptions{Spec: "latest:volume/pgdata", Only: []string{"volume"}}, "exclude each other"},
		{RestoreOptions{Spec: "latest:volume/nope"}, "no such snapshot"},
		{RestoreOptions{Spec: "latest", Only: []string{"volume/nope"}}, "no such item"},
		{RestoreOptions{Spec: "latest", Only: []string{"trees"}}, "unknown kind"},
		{RestoreOptions{Spec: "latest", Only: []string{"image"}}, "nothing to restore is selected"},
		{RestoreOptions{Spec: "ffffffff"}, "no such snapshot"},
	} {
		if plan, err := PlanRestore(context.Background(), env, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %+v, %v; want %q", tc.o, plan, err, tc.want)
		}
	}
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: "latest:volume/pgdata", To: full})
	if err != nil || len(plan.Refused) != 1 {
		t.Errorf("a target with files: %+v, %v", plan, err)
	}
}

// A single file and a folder come out under their own names.
func TestRestoreInnerPath(t *testing.T) {
	eng, data := frozenVolume(t)
	write(t, data+"/base/1", "one")
	write(t, data+"/base/deep/2", "two")
	env := testEnv(t, eng)
	env.Hold = (&fakeHolder{}).open
	create(t, env, CreateOptions{})
	if got := read(t, restoreTo(t, env, "latest:volume/pgdata//base/1")+"/1"); got != "one" {
		t.Errorf("file: %q", got)
	}
	if got := read(t, restoreTo(t, env, "latest:volume/pgdata//base")+"/base/deep/2"); got != "two" {
		t.Errorf("folder: %q", got)
	}
	dir := t.TempDir() + "/out"
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: "latest:volume/pgdata//nope", To: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApplyRestore(context.Background(), env, plan); err == nil {
		t.Error("a path that is not in the snapshot is restored")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the target was made all the same")
	}
}

// A whole snapshot becomes files: trees in folders, definitions as documents.
func TestRestoreAllToFiles(t *testing.T) {
	_, env, _ := savedVolume(t)
	env.Engine = nil // not needed for this
	dir := restoreTo(t, env, "latest")
	if read(t, dir+"/volume/pgdata/table") != "warm" || !strings.Contains(read(t, dir+"/definition/volume%2Fpgdata.json"), `"pgdata"`) ||
		!strings.Contains(read(t, dir+"/container/db.json"), `"c1"`) {
		t.Error("files are missing or wrong")
	}
}

// A volume that could not be filled is removed again; the error says why.
func TestFailedVolumeIsRemoved(t *testing.T) {
	eng, env, _ := savedVolume(t)
	eng.volumes, eng.containers = nil, nil
	must(t, os.Remove(blobFile(env, pickBlobs(t, env).chunk)))
	eng.makeVol = func(s engine.VolumeSpec) (engine.Volume, error) {
		return engine.Volume{Name: s.Name, Driver: "local", Mountpoint: t.TempDir()}, nil
	}
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: "latest"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := ApplyRestore(context.Background(), env, plan)
	if err == nil || len(report.Problems) != 1 {
		t.Errorf("report: %+v, %v", report, err)
	}
	if len(eng.created) != 1 || len(eng.removed) != 1 || eng.removed[0] != "pgdata" {
		t.Errorf("made %+v, removed %q", eng.created, eng.removed)
	}
}
