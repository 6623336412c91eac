//go:build linux

package hostfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/hostfs"

	"golang.org/x/sys/unix"
)

// A data-root with overlay2 layers, copied while a container writes and once more at rest, is the same tree; an engine
// on it has its containers, and what a layer deleted stays deleted. (Plain "rsync -a" brings such files back.)
func TestCopyDataRoot(t *testing.T) {
	d := layeredEngine(t)
	d.CLI(t, "volume", "create", "data")
	d.RunContainer(t, "--name", "writer", "-v", "data:/v", "app:1", "sh", "-c",
		"n=0; while :; do n=$((n+1)); echo $n > /v/$((n%50)); echo $n > /own; done")
	moved := d.DataRoot + ".new"
	must(t, os.Mkdir(moved, 0o755))
	skip := func(dir, name string, _ *hostfs.Stat) bool {
		return dir == "" && name == "tmp" || dir == "overlay2" && name == "backingFsBlockDev"
	}
	pass := copyTree(t, d.DataRoot, moved, hostfs.CopyOptions{Skip: skip})
	if len(pass.Mounts) == 0 {
		t.Error("the running container's root file system is not told as a mount")
	}
	pass = copyTree(t, d.DataRoot, moved, hostfs.CopyOptions{Before: pass, Delete: true, Skip: skip})
	d.CLI(t, "stop", "-t", "0", "writer")
	before := objects(t, d)
	d.Stop(t)
	counts := &hostfs.CopyCounts{}
	pass = copyTree(t, d.DataRoot, moved, hostfs.CopyOptions{Before: pass, Delete: true, Skip: skip, Counts: counts})
	if len(pass.Mounts) > 0 {
		t.Errorf("still mounted: %q", pass.Mounts)
	}
	if copied, all := counts.Copied.Load(), counts.Entries.Load(); copied > all/2 {
		t.Errorf("the last pass copied %d of %d entries", copied, all)
	}
	for _, dir := range []string{d.DataRoot, moved} {
		must(t, os.RemoveAll(filepath.Join(dir, "tmp")))
		must(t, os.RemoveAll(filepath.Join(dir, "overlay2", "backingFsBlockDev")))
	}
	copyTree(t, d.DataRoot, moved, hostfs.CopyOptions{Before: pass, Delete: true})
	same(t, d.DataRoot, moved)

	useRoot(t, d, moved)
	if after := objects(t, d); before != after {
		t.Errorf("the engine had\n%s\nand has\n%s", before, after)
	}
	if got := inImage(t, d); got != "up cap" {
		t.Errorf("the image shows %q", got)
	}
	d.CLI(t, "start", "writer")
}

// The usual recipe loses what marks deleted folders: the engine starts, counts all its images, and shows files
// that were deleted.
func TestPlainRsyncBringsDeletedFilesBack(t *testing.T) {
	d := layeredEngine(t)
	before := objects(t, d)
	d.Stop(t)
	moved := d.DataRoot + ".new"
	sh(t, "/", "rsync -az '"+d.DataRoot+"/' '"+moved+"/'")
	useRoot(t, d, moved)
	if after := objects(t, d); before != after {
		t.Errorf("the engine had\n%s\nand has\n%s", before, after)
	}
	if got := inImage(t, d); got != "low sub up cap" {
		t.Errorf("the image shows %q", got)
	}
}

// layeredEngine is an engine with an image in which a layer deletes a file and replaces a folder.
func layeredEngine(t *testing.T) *enginetest.Dockerd {
	t.Helper()
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	d.MakeImage(t, "base:1")
	d.BuildLayers(t, "first:1", "base:1", "mkdir -p /d/sub && echo low > /d/low && echo gone > /gone && echo cap > /capped")
	d.BuildLayers(t, "app:1", "first:1", "rm -rf /d && mkdir /d && echo up > /d/up", "rm /gone && ln /capped /linked")
	return d
}

// useRoot has an engine that is stopped start on another folder.
func useRoot(t *testing.T, d *enginetest.Dockerd, root string) {
	t.Helper()
	// Where / is itself a folder of its file system, dockerd does not find the mount that it made of its root on itself
	// (shouldUnmountRoot in moby's daemon/daemon_linux.go).
	if err := unix.Unmount(d.DataRoot, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		t.Fatal(err)
	}
	must(t, os.Rename(d.DataRoot, d.DataRoot+".old"))
	must(t, os.Rename(root, d.DataRoot))
	d.Start(t)
}

// objects lists what an engine has.
func objects(t *testing.T, d *enginetest.Dockerd) string {
	t.Helper()
	var all []string
	for _, args := range [][]string{{"ps", "-aq", "--no-trunc"}, {"images", "-aq", "--no-trunc"}, {"volume", "ls", "-q"}} {
		all = append(all, strings.Fields(d.CLI(t, args...))...)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// inImage lists what was deleted and linked in the image, as a container sees it.
func inImage(t *testing.T, d *enginetest.Dockerd) string {
	t.Helper()
	out := d.CLI(t, "run", "--rm", "--network", "none", "app:1", "sh", "-c", "ls /d; ls /gone 2>/dev/null; cat /linked")
	return strings.Join(strings.Fields(out), " ")
}
