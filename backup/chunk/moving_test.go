package chunk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// keepDoing runs f over and over until the test ends.
func keepDoing(t *testing.T, f func(i int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; ctx.Err() == nil; i++ {
			f(i)
		}
	}()
	return sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// While a container swaps a file for symlinks, fifos and devices, and a folder
// for a link to another folder, nothing from outside gets into the stream and
// nothing hangs.
func TestSwappedFiles(t *testing.T) {
	enginetest.NeedRoot(t)
	src, outside := t.TempDir(), t.TempDir()
	secret := "secret " + strings.Repeat("outside of the volume ", 50)
	for _, name := range []string{"file", "in"} {
		if err := os.WriteFile(filepath.Join(outside, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	target := filepath.Join(src, "m", "file")
	folder := filepath.Join(src, "sub")
	for _, dir := range []string{filepath.Join(src, "m"), folder} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 400 {
		name := filepath.Join(folder, "f"+strings.Repeat("x", i%50)+string(rune('a'+i%26)))
		if err := os.WriteFile(name, bytes.Repeat([]byte("y"), 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop := keepDoing(t, func(i int) {
		_ = os.Remove(target)
		switch i % 5 {
		case 0:
			_ = os.WriteFile(target, []byte("inside"), 0o600)
		case 1:
			_ = os.Symlink(filepath.Join(outside, "file"), target)
		case 2:
			_ = unix.Mkfifo(target, 0o600)
		case 3:
			_ = unix.Mknod(target, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))
		case 4:
			_ = os.Rename(folder, folder+".away")
			_ = os.Symlink(outside, folder)
			_ = os.Remove(folder)
			_ = os.Rename(folder+".away", folder)
		}
	})
	defer stop()
	s := newStore(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // of which each pass may wait some seconds for the disk
	defer cancel()
	for range 40 {
		result, err := chunk.NewSaver(s, options()).Save(ctx, chunk.Local(openRoot(t, src)), chunk.OpenCache("", ""), chunk.SaveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		item, err := repo.BuildTreeItem(ctx, s, result.Parts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(plainStream(t, s, item), []byte("outside of the volume")) {
			t.Fatal("content from outside of the tree is in the stream")
		}
	}
}

// Files that grow, shrink and vanish while they are read are reported or read
// again; every other file of the tree is as it was.
func TestChangingFiles(t *testing.T) {
	src := t.TempDir()
	calm := map[string]string{}
	for i := range 300 {
		name := "calm" + strings.Repeat("-", i%7) + string(rune('a'+i%26)) + strings.Repeat("z", i%11)
		calm[name] = strings.Repeat(name, 1+i)
		if err := os.WriteFile(filepath.Join(src, name), []byte(calm[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	moving := filepath.Join(src, "calmly")
	big := filepath.Join(src, "big")
	stop := keepDoing(t, func(i int) {
		_ = os.WriteFile(moving, bytes.Repeat([]byte("m"), i*7919%90_000), 0o600)
		if i%50 == 0 {
			_ = os.WriteFile(big, bytes.Repeat([]byte("b"), 1<<20+i*104_729%(4<<20)), 0o600)
		}
		if i%9 == 0 {
			_ = os.Remove(moving)
		}
	})
	defer stop()
	s := newStore(t)
	for range 15 {
		_, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
		dst := restore(t, s, item, chunk.RestoreOptions{})
		for name, want := range calm {
			if got, err := os.ReadFile(filepath.Join(dst, name)); err != nil || string(got) != want {
				t.Fatalf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
			}
		}
		for _, path := range []string{"big", "calmly"} {
			if got, err := os.ReadFile(filepath.Join(dst, path)); err == nil && len(bytes.Trim(got, path[:1]+"m")) > 0 {
				t.Fatalf("%s holds bytes of another file", path)
			}
		}
	}
}

// A store into a page that was dirty already moves no file time; the next pass
// sees it all the same, since the pass before began with syncfs.
func TestDirtyPage(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Disk(t, 256<<20)
	src := filepath.Join(disk, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(src, "mapped"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(8192); err != nil {
		t.Fatal(err)
	}
	page, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	s := newStoreAt(t, filepath.Join(disk, "repo"))
	o := options()
	// Ahead, so that only syncfs and not the age of the times decides.
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	cache := chunk.OpenCache("", "")
	page[0] = 1
	for i := byte(2); i < 12; i++ {
		saveWith(t, s, o, src, cache)
		tick(t, f, filepath.Join(disk, "clock"))
		page[0] = i
		_, item := saveWith(t, s, o, src, cache)
		dst := restore(t, s, item, chunk.RestoreOptions{})
		got, err := os.ReadFile(filepath.Join(dst, "mapped"))
		if err != nil || got[0] != i {
			t.Fatalf("store %d between two passes is not in the second: %d, %v", i, got[0], err)
		}
		page[0] = i
	}
}

// tick waits until the clock of the file system has moved on since f changed: of what comes before that no time tells, and only
// its age keeps a file from being trusted.
func tick(t *testing.T, f *os.File, clock string) {
	t.Helper()
	var changed, now unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &changed); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); unix.TimespecToNsec(now.Ctim) <= unix.TimespecToNsec(changed.Ctim); time.Sleep(time.Millisecond) {
		if err := errors.Join(os.WriteFile(clock, []byte("x"), 0o600), unix.Stat(clock, &now)); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the clock of the file system stands still")
		}
	}
}

// What changed is read into the spool while the containers stand still, and
// stored afterwards: a later change is not in the snapshot.
func TestFrozenRead(t *testing.T) {
	src := t.TempDir()
	pending, spool := frozenRead(t, src, nil)
	defer spool.Close()
	defer pending.Close()
	if spool.Size() < 70<<20 {
		t.Errorf("spool of %d bytes", spool.Size())
	}
	saver, root := chunk.NewSaver(newStore(t), options()), openRoot(t, src)
	full := chunk.NewSpool(t.TempDir(), 1<<20)
	defer full.Close()
	if _, err := saver.Read(t.Context(), chunk.Local(root), chunk.OpenCache("", ""), full, chunk.SaveOptions{}); err == nil {
		t.Error("a spool of 1 MiB took 70 MiB")
	}
}

// On xfs and btrfs big files are cloned instead of read.
func TestFrozenClone(t *testing.T) {
	enginetest.NeedRoot(t)
	for _, fs := range []string{"xfs", "btrfs"} {
		disk := enginetest.CowDisk(t, fs, 600<<20)
		for _, room := range []int64{1 << 30, 1 << 20} { // without room for a clone the file is read
			src := filepath.Join(disk, fmt.Sprint(room))
			if err := os.Mkdir(src, 0o755); err != nil {
				t.Fatal(err)
			}
			clones, err := chunk.NewClones(openRoot(t, src), room)
			if err != nil {
				t.Fatal(err)
			}
			pending, spool := frozenRead(t, src, clones)
			if cloned := spool.Size() < 1<<20 && clones.Made() == 1; cloned != (room > 70<<20) {
				t.Errorf("%s: spool of %d bytes, %d clones", fs, spool.Size(), clones.Made())
			}
			pending.Close()
			_ = spool.Close()
		}
	}
	if _, err := chunk.NewClones(openRoot(t, enginetest.Disk(t, 32<<20)), 1<<30); !errors.Is(err, chunk.ErrNoClones) {
		t.Errorf("clones on ext4: %v", err)
	}
}

// The cache learns of the file that was cloned, not of its clone: the next pass reads nothing, and a change is seen.
func TestClonesAndCache(t *testing.T) {
	enginetest.NeedRoot(t)
	src := enginetest.CowDisk(t, "xfs", 400<<20)
	large := filepath.Join(src, "large")
	fill := func(b byte) {
		if err := os.WriteFile(large, bytes.Repeat([]byte{b}, 20<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fill('a')
	s, cache, root := newStore(t), chunk.OpenCache("", ""), openRoot(t, src)
	later := options()
	later.Now = func() time.Time { return time.Now().Add(time.Hour) } // all times of files are trusted
	saver := chunk.NewSaver(s, later)
	clones, err := chunk.NewClones(openRoot(t, src), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	spool := chunk.NewSpool(t.TempDir(), 1<<30)
	defer spool.Close()
	pending, err := saver.Read(t.Context(), chunk.Local(root), cache, spool, chunk.SaveOptions{Clones: clones})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pending.Store(t.Context()); err != nil || clones.Made() != 1 {
		t.Fatalf("%v, %d clones", err, clones.Made())
	}
	for _, want := range []int64{0, 20 << 20} {
		result, err := saver.Save(t.Context(), chunk.Local(root), cache, chunk.SaveOptions{})
		if err != nil || result.Stats.BytesRead != want {
			t.Errorf("the next pass reads %d bytes, want %d: %v", result.Stats.BytesRead, want, err)
		}
		fill('b')
	}
}

// frozenRead saves a tree, changes it, reads it as while its containers are frozen, changes it again and stores what was read.
func frozenRead(t *testing.T, src string, clones *chunk.Clones) (*chunk.Pending, *chunk.Spool) {
	t.Helper()
	write := func(name string, size int, fill byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(src, name), bytes.Repeat([]byte{fill}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("small", 1000, 'a')
	write("large", 70<<20, 'a')
	s := newStore(t)
	saver := chunk.NewSaver(s, options())
	cache := chunk.OpenCache("", "")
	root := openRoot(t, src)
	if _, err := saver.Save(t.Context(), chunk.Local(root), cache, chunk.SaveOptions{Warm: true}); err != nil {
		t.Fatal(err)
	}
	write("small", 1000, 'b')
	write("large", 70<<20, 'b')
	spool := chunk.NewSpool(t.TempDir(), 1<<30)
	pending, err := saver.Read(t.Context(), chunk.Local(root), cache, spool, chunk.SaveOptions{Clones: clones})
	if err != nil {
		t.Fatal(err)
	}
	want := describe(t, src)
	write("small", 1000, 'c')
	write("large", 70<<20, 'c')
	result, err := pending.Store(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	item, err := repo.BuildTreeItem(t.Context(), s, result.Parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range want.Diff(describe(t, restore(t, s, item, chunk.RestoreOptions{}))) {
		t.Error(line)
	}
	return pending, spool
}
