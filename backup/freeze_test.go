package backup

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine"
	"davit/engine/enginetest"
	"davit/engine/guard"
)

// frozenVolume is an engine with one volume that one running container writes to.
func frozenVolume(t *testing.T) (*fakeEngine, string) {
	t.Helper()
	root := t.TempDir()
	data := root + "/volumes/pgdata/_data"
	write(t, data+"/table", "warm")
	return &fakeEngine{
		info: engine.Info{DataRoot: root, Version: "28.5.2", Arch: "x86_64"},
		containers: []engine.Container{{
			ID: "c1", Name: "db", Running: true, Raw: []byte(`{"Id":"c1"}`),
			Mounts: []engine.Mount{{Type: "volume", Name: "pgdata", Source: data, RW: true}},
		}},
		volumes: []engine.Volume{{Name: "pgdata", Driver: "local", Mountpoint: data, Raw: []byte(`{"Name":"pgdata","Driver":"local"}`)}},
	}, data
}

// The snapshot holds what was there while the container stood still: all that was written
// before the freeze, nothing that came after the thaw.
func TestFreezeIsTheMomentOfTheSnapshot(t *testing.T) {
	eng, data := frozenVolume(t)
	env := testEnv(t, eng)
	holder := &fakeHolder{
		onFreeze: func() { write(t, data+"/table", "frozen"); write(t, data+"/wal", "last") },
		onThaw:   func() { write(t, data+"/table", "later"); write(t, data+"/new", "later") },
	}
	env.Hold = holder.open
	report := create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}})
	if want := []string{"pause db", "thaw db"}; !slices.Equal(holder.log, want) {
		t.Errorf("held: %q, want %q", holder.log, want)
	}
	out := restoreTo(t, env, "latest:volume/pgdata")
	if read(t, out+"/table") != "frozen" || read(t, out+"/wal") != "last" {
		t.Error("the snapshot misses what was written before the freeze")
	}
	if _, err := os.Stat(out + "/new"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the snapshot holds a file that came after the thaw")
	}
	if len(report.Freezes) != 1 || !slices.Equal(report.Freezes[0].Containers, []string{"db"}) {
		t.Errorf("freezes: %+v", report.Freezes)
	}
	for _, it := range report.Items {
		if it.Kind == KindVolume && (!it.Consistent || it.Consistency != ConsistencyPause || it.Passes < 1) {
			t.Errorf("item: %+v", it)
		}
	}
}

// A freeze that does not work out lets the containers go, saves the volume all the same, and says that it is
// not of one moment.
func TestFreezeThatFails(t *testing.T) {
	for _, tc := range []struct {
		name   string
		holder *fakeHolder
		max    time.Duration
		reason string
		thawed bool
	}{
		{name: "cannot be paused", holder: &fakeHolder{err: errors.New("cgroup is busy")}, reason: "cgroup is busy"},
		{name: "takes too long", holder: &fakeHolder{}, max: time.Nanosecond, reason: "not all could be read within 1ns", thawed: true},
		{name: "the guard let go", holder: &fakeHolder{held: guard.Held{Expired: true}}, reason: "the guard let the containers go", thawed: true},
		{name: "somebody unpaused", holder: &fakeHolder{held: guard.Held{Disturbed: []string{"db"}}}, reason: "db did not stand still", thawed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eng, _ := frozenVolume(t)
			env := testEnv(t, eng)
			env.Hold = tc.holder.open
			report, err := tryCreate(env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}, MaxFreeze: tc.max})
			var partial *PartialError
			if !errors.As(err, &partial) {
				t.Fatalf("error is %v, want a partial one", err)
			}
			if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Reason, tc.reason) {
				t.Errorf("problems: %+v, want %q", report.Problems, tc.reason)
			}
			if thawed := slices.Contains(tc.holder.log, "thaw db"); thawed != tc.thawed {
				t.Errorf("thawed: %v, want %v", thawed, tc.thawed)
			}
			i := slices.IndexFunc(report.Items, func(it ItemReport) bool { return it.Kind == KindVolume })
			if i < 0 || !report.Items[i].Saved || report.Items[i].Consistent {
				t.Errorf("items: %+v, want the volume, saved and not consistent", report.Items)
			}
			if got := read(t, restoreTo(t, env, "latest:volume/pgdata")+"/table"); got != "warm" {
				t.Errorf("the volume holds %q", got)
			}
		})
	}
}

// Labels that an image brings along steer nothing; the container's own do.
func TestLabelsOfImages(t *testing.T) {
	for _, tc := range []struct {
		name      string
		inherited bool
		want      string // what the plan does to the container
	}{
		{"own", false, ""},
		{"inherited", true, "pause"},
	} {
		eng, _ := frozenVolume(t)
		labels := map[string]string{LabelConsistency: "live"}
		eng.containers[0].Labels = labels
		if tc.inherited {
			eng.inherited = map[string]map[string]string{"c1": labels}
		}
		plan, err := PlanCreate(context.Background(), testEnv(t, eng), CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(plan.Groups) > 0 {
			got = string(plan.Groups[0].Containers[0].Hold)
		}
		if got != tc.want {
			t.Errorf("%s label: held by %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A container that was made anew while the warm passes went on is the one that is held.
func TestFreezeHoldsWhoWritesNow(t *testing.T) {
	eng, _ := frozenVolume(t)
	env := testEnv(t, eng)
	holder := &fakeHolder{}
	env.Hold = holder.open
	plan, err := PlanCreate(context.Background(), env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}})
	if err != nil {
		t.Fatal(err)
	}
	eng.containers[0].ID, eng.containers[0].Name = "c2", "db-2"
	if _, err := ApplyCreate(context.Background(), env, plan); err != nil {
		t.Fatal(err)
	}
	if want := []string{"pause db-2", "thaw db-2"}; !slices.Equal(holder.log, want) {
		t.Errorf("held: %q, want %q", holder.log, want)
	}
}

// A store into a page that was dirty already moves no file time. It is in the snapshot all the same when it
// comes between the warm pass and the freeze.
func TestFreezeSeesStoresIntoDirtyPages(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Disk(t, 64<<20)
	eng, _ := frozenVolume(t)
	data := disk + "/_data"
	write(t, data+"/table", strings.Repeat("a", 8192))
	eng.volumes[0].Mountpoint, eng.containers[0].Mounts[0].Source = data, data
	f, err := os.OpenFile(data+"/table", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, unix.Munmap(page)) }()
	env := testEnv(t, eng)
	env.Now = func() time.Time { return time.Now().Add(time.Minute) } // all times of files are long past
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{data}}})
	page[0] = 'b' // the page is dirty from now on
	before, err := os.Stat(data + "/table")
	if err != nil {
		t.Fatal(err)
	}
	holder := &fakeHolder{onFreeze: func() { page[0] = 'c' }}
	env.Hold = holder.open
	create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"pgdata"}}})
	if got := read(t, restoreTo(t, env, "latest:volume/pgdata")+"/table"); got[0] != 'c' {
		t.Errorf("the snapshot holds %q", got[0])
	}
	if after, err := os.Stat(data + "/table"); err != nil || after.Size() != before.Size() {
		t.Errorf("the file changed its size: %v", err)
	}
}
