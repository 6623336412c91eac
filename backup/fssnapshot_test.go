package backup

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
)

// lockstep writes the same number into two big files, one after the other, over and over.
const lockstep = `head -c 2097152 /dev/zero > /data/a; cp /data/a /data/b; i=0
while :; do i=$((i+1)); for f in a b; do printf '%010d' $i | dd of=/data/$f bs=10 conv=notrunc 2> /dev/null; done; done`

// On btrfs and on xfs with reflinks a container is frozen for a moment only, and what is then read while it writes on is of one
// moment all the same. Nothing is left, and what did not change is not read again.
func TestFSSnapshots(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "base:1")
	// Times of files are trusted soon, but not before the file system's clock has moved on.
	h.env.Now = func() time.Time { return time.Now().Add(1900 * time.Millisecond) }
	for _, fs := range []struct {
		name string
		via  Via
	}{{"btrfs", ViaSnapshot}, {"xfs", ViaReflink}} {
		t.Run(fs.name, func(t *testing.T) {
			disk := enginetest.Bindable(t, enginetest.CowDisk(t, fs.name, 1<<30))
			src := disk + "/src"
			if fs.name == "btrfs" {
				command(t, "btrfs", "-q", "subvolume", "create", src)
			}
			write(t, src+"/still", strings.Repeat("0123456789abcdef", 1<<20))
			h.RunContainer(t, "--name", fs.name, "--init", "-v", src+":/data", "base:1", "sh", "-c", lockstep)
			waitFor(t, src+"/b", "0000000002")
			o := CreateOptions{Selection: Selection{Containers: []string{fs.name}, NoImages: true}}
			shortest := 1.0
			for run := 0; run < 3 || shortest > 0.1 && run < 40; run++ { // the machine may be busy
				report := create(t, h.env, o)
				it := treeItem(t, report)
				shortest = min(shortest, report.Freezes[0].Seconds)
				t.Logf("frozen for %.3f s; read %d bytes", report.Freezes[0].Seconds, it.BytesRead)
				if it.Via != fs.via || !it.Consistent || it.Consistency != ConsistencyPause || len(report.Freezes) != 1 {
					t.Errorf("report: %+v, %+v, notes %q", it, report.Freezes, report.Notes)
				}
				if run > 0 && it.BytesRead >= 16<<20 {
					t.Errorf("what did not change was read again: %d bytes", it.BytesRead)
				}
				out := restoreTo(t, h.env, "latest:"+it.Ref())
				a, b := counted(t, out+"/a"), counted(t, out+"/b")
				if a != b && a != b+1 { // frozen between the two files
					t.Errorf("the files hold %d and %d", a, b)
				}
				if again := counted(t, src+"/a"); again <= a {
					t.Errorf("the container does not go on: %d, then %d", a, again)
				}
				nothingLeft(t, h.env, disk, src)
			}
			if shortest > 0.1 {
				t.Errorf("frozen for %.3f s at least", shortest)
			}
			o.FSSnapshots = FSSnapshotsNever
			if it := treeItem(t, create(t, h.env, o)); it.Via != "" || !it.Consistent {
				t.Errorf("without them: %+v", it)
			}
			h.CLI(t, "rm", "--force", fs.name)
		})
	}
}

// A subvolume that is nested in the data would be missing from a snapshot: it is read as on any other file system, and says so.
func TestNestedSubvolume(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Bindable(t, enginetest.CowDisk(t, "btrfs", 1<<30))
	src := disk + "/src"
	write(t, src+"/file", "outside")
	command(t, "btrfs", "-q", "subvolume", "create", src+"/nested")
	write(t, src+"/nested/file", "inside")
	env, fake := frozenEnv(t, src)
	report := create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})
	it := treeItem(t, report)
	if it.Via == ViaSnapshot || !it.Consistent || !strings.Contains(strings.Join(report.Notes, "\n"), "subvolume nested is nested in it") {
		t.Errorf("report: %+v, notes %q", it, report.Notes)
	}
	if got := read(t, restoreTo(t, env, "latest:"+it.Ref())+"/nested/file"); got != "inside" {
		t.Errorf("the nested file holds %q", got)
	}

	// One that is made after the warm pass is seen all the same, and what is saved is whole.
	command(t, "btrfs", "-q", "subvolume", "delete", src+"/nested")
	fake.onFreeze = func() {
		command(t, "btrfs", "-q", "subvolume", "create", src+"/nested")
		write(t, src+"/nested/file", "inside later")
	}
	report, err := tryCreate(env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})
	it = treeItem(t, report)
	if err == nil || it.Consistent {
		t.Errorf("a subvolume made meanwhile: %v, %+v", err, it)
	}
	if got := read(t, restoreTo(t, env, "latest:"+it.Ref())+"/nested/file"); got != "inside later" {
		t.Errorf("the nested file holds %q", got)
	}
	nothingLeft(t, env, disk, src)
}

// What a run that was killed left is removed, and what a run that lives has made is not.
func TestRecoverSnapshots(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Bindable(t, enginetest.CowDisk(t, "btrfs", 1<<30))
	src := disk + "/src"
	write(t, src+"/file", "content")
	env, fake := frozenEnv(t, src)
	busy := 0
	fake.onThaw = func() {
		left, err := filepath.Glob(disk + "/" + snapshotPrefix + "*")
		if err != nil || len(left) != 1 {
			t.Fatalf("snapshots: %q, %v", left, err)
		}
		removed, err := RecoverSnapshots(env.StateDir)
		if err != nil || len(removed) != 0 {
			t.Errorf("of a run that lives: %q, %v", removed, err)
		}
		busy++
	}
	if it := treeItem(t, create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})); it.Via != ViaSnapshot || busy != 1 {
		t.Fatalf("no snapshot: %+v", it)
	}

	sub := &fsSnapshot{path: disk + "/" + snapshotPrefix + "killed"}
	sub.subvolume.Path = disk
	j, err := createFSJournal(env, []*fsSnapshot{sub})
	if err != nil {
		t.Fatal(err)
	}
	must(t, sub.subvolume.Snapshot(sub.path))
	must(t, j.lock.Close()) // as the kernel does when the process dies
	removed, err := RecoverSnapshots(env.StateDir)
	if err != nil || len(removed) != 1 || removed[0] != sub.path {
		t.Errorf("removed %q, %v", removed, err)
	}
	nothingLeft(t, env, disk, src)
}

// frozenEnv is a host with a container that writes to src, held by a fake.
func frozenEnv(t *testing.T, src string) (*Env, *fakeHolder) {
	t.Helper()
	env := testEnv(t, volumeEnv(src).Engine.(*fakeEngine))
	fake := &fakeHolder{}
	env.Hold = fake.open
	return env, fake
}

// volumeEnv is an environment without a repository, with an engine that has a volume in src and a container that writes to it.
func volumeEnv(src string) *Env {
	return &Env{Host: "testhost", Version: "test", Now: time.Now, Rand: rand.Reader, Engine: &fakeEngine{
		info: engine.Info{DataRoot: "/var/empty", Version: "28.5.2", Arch: "x86_64"},
		containers: []engine.Container{{
			ID: "c1", Name: "app", Running: true, Raw: []byte(`{"Id":"c1"}`),
			Mounts: []engine.Mount{{Type: "volume", Name: "data", Source: src, RW: true}},
		}},
		volumes: []engine.Volume{{Name: "data", Driver: "local", Mountpoint: src, Raw: []byte(`{"Name":"data","Driver":"local"}`)}},
	}}
}

func treeItem(t *testing.T, r *Report) ItemReport {
	t.Helper()
	for _, it := range r.Items {
		if isTree(it.Kind) {
			return it
		}
	}
	t.Fatalf("no item holds files: %+v", r.Items)
	return ItemReport{}
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// counted is the number at the beginning of a file.
func counted(t *testing.T, path string) int {
	t.Helper()
	n, err := strconv.Atoi(read(t, path)[:10])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func waitFor(t *testing.T, path, least string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if data, err := os.ReadFile(path); err == nil && len(data) > len(least) && string(data[:len(least)]) >= least && data[0] == '0' {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come to %s", path, least)
		}
	}
}

// nothingLeft proves that no snapshot, journal or temporary file is left.
func nothingLeft(t *testing.T, env *Env, dirs ...string) {
	t.Helper()
	for _, dir := range append(dirs, fsFolder(env.StateDir)) {
		left, err := filepath.Glob(dir + "/.davit*")
		more, moreErr := filepath.Glob(fsFolder(env.StateDir) + "/*")
		if err != nil || moreErr != nil || len(left)+len(more) > 0 {
			t.Errorf("left: %q, %q", left, more)
		}
	}
}
