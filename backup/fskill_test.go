package backup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/enginetest"
)

// killedSnapshot is what the test's binary does when it is started to be killed: REPO SRC STATE.
const killedSnapshot = "__snapshot"

// snapshotAndBeKilled makes a backup of a volume and kills itself when its container is let go: what its file system keeps for
// the backup is made then, and not yet read.
func snapshotAndBeKilled(args []string) error {
	r, err := repo.Open(args[0], repo.Options{Host: "testhost", HostKeys: filepath.Join(filepath.Dir(args[0]), "keys")})
	if err != nil {
		return err
	}
	fake := &fakeHolder{onThaw: func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }}
	env := volumeEnv(args[1])
	env.Repo, env.StateDir, env.CacheDir, env.Hold = r, args[2], filepath.Join(args[2], "cache"), fake.open
	_, err = tryCreate(env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})
	return errors.Join(errors.New("it was not killed"), err)
}

// killSnapshot has a run killed that way.
func killSnapshot(t *testing.T, env *Env, src string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], killedSnapshot, env.Repo.Dir(), src, env.StateDir)
	out, err := cmd.CombinedOutput()
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
		t.Fatalf("%v: %s", err, out)
	}
}

// A run that is killed while a btrfs snapshot exists leaves it, and its record: by that, and not by its name, it is removed, but not
// before its file system is mounted where it was. A snapshot of somebody else with such a name stays.
func TestKilledWithSnapshot(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.CowDisk(t, "btrfs", 1<<30)
	place := enginetest.Bindable(t, disk)
	src := place + "/src"
	command(t, "btrfs", "-q", "subvolume", "create", src)
	write(t, src+"/file", "content")
	command(t, "btrfs", "-q", "subvolume", "snapshot", src, place+"/"+snapshotPrefix+"mine")
	env, _ := frozenEnv(t, src)
	killSnapshot(t, env, src)
	left, err := filepath.Glob(place + "/" + snapshotPrefix + "*")
	if err != nil || len(left) != 2 {
		t.Fatalf("left: %q, %v", left, err)
	}
	must(t, unix.Unmount(place, unix.MNT_DETACH))
	removed, err := RecoverSnapshots(env.StateDir)
	if err == nil || len(removed) != 0 || !strings.Contains(err.Error(), "its file system is not mounted there") {
		t.Errorf("without the disk: removed %q, %v", removed, err)
	}
	must(t, unix.Mount(disk, place, "", unix.MS_BIND, ""))
	if removed, err = RecoverSnapshots(env.StateDir); err != nil || len(removed) != 1 {
		t.Errorf("removed %q, %v", removed, err)
	}
	left, err = filepath.Glob(place + "/" + snapshotPrefix + "*")
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != snapshotPrefix+"mine" {
		t.Errorf("left after that: %q, %v", left, err)
	}
	if removed, err = RecoverSnapshots(env.StateDir); err != nil || len(removed) != 0 {
		t.Errorf("once more removed %q, %v", removed, err)
	}
	nothingLeft(t, env, src)
}

// Reflink clones have no names: when a run that holds some is killed, nothing is left of them, and their blocks are free again.
func TestKilledWithClones(t *testing.T) {
	enginetest.NeedRoot(t)
	const size = 32 << 20
	disk := enginetest.Bindable(t, enginetest.CowDisk(t, "xfs", 1<<30))
	src := disk + "/src"
	write(t, src+"/big", strings.Repeat("0123456789abcdef", size/16))
	env, _ := frozenEnv(t, src)
	killSnapshot(t, env, src)
	before := usedBytes(t, disk)
	write(t, src+"/big", strings.Repeat("fedcba9876543210", size/16)) // blocks that anybody shared would be kept beside these
	if more := usedBytes(t, disk) - before; more > size/4 {
		t.Errorf("the clones keep %d bytes", more)
	}
	nothingLeft(t, env, disk, src)
	if it := treeItem(t, create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"data"}}})); it.Via != ViaReflink {
		t.Errorf("there were no clones, and this shows nothing: %+v", it)
	}
}

// usedBytes is what a file system has written.
func usedBytes(t *testing.T, dir string) int64 {
	t.Helper()
	unix.Sync()
	var fs unix.Statfs_t
	must(t, unix.Statfs(dir, &fs))
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize
}
