package repo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sys/unix"
)

// smallDisk mounts an ext4 of its own.
func smallDisk(t *testing.T, size int64) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a loop device")
	}
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	writeFile(t, image, nil)
	if err := errors.Join(os.Truncate(image, size), os.Mkdir(mount, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"mkfs.ext4 -q -m 0 " + image, "mount -o loop " + image + " " + mount} {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return mount
}

// A full disk fails the run with its own error. The snapshots before it stay
// whole, no half-written file stays, and with room again the same session's
// successor goes on.
func TestFullDisk(t *testing.T) {
	t.Run("clear", func(t *testing.T) {
		dir := smallDisk(t, 16*mib)
		r, err := Init(filepath.Join(dir, "repo"), Options{Host: "nas"})
		if err != nil {
			t.Fatal(err)
		}
		fullDisk(t, dir, r)
	})
	t.Run("encrypted", func(t *testing.T) {
		dir, identity := smallDisk(t, 16*mib), newIdentity(t)
		o := Options{Host: "nas", HostKeys: t.TempDir(), Identities: func() ([]age.Identity, error) { return []age.Identity{identity}, nil }}
		r, err := InitEncrypted(filepath.Join(dir, "repo"), o, []KeyHolder{{Name: "test", Recipient: identity.Recipient()}})
		if err != nil {
			t.Fatal(err)
		}
		fullDisk(t, dir, r)
	})
}

func fullDisk(t *testing.T, dir string, r *Repository) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	writeFile(t, ballast, make([]byte, 2*mib))
	s, err := r.Begin(t.Context(), SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	before := commitSealable(t, s, 1)
	full := fillUp(t, s)
	if !errors.Is(full, unix.ENOSPC) {
		t.Errorf("Put on a full disk: %v", full)
	}
	item := putWhileFull(t, s)
	if _, err := s.Commit(t.Context(), Snapshot{Complete: true, Items: item}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Commit on a full disk: %v", err)
	}
	if err := errors.Join(s.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	again, err := Open(r.Dir(), r.opt)
	if err != nil {
		t.Fatal(err)
	}
	if snaps := checkWhole(t, again); len(snaps) != 1 || snaps[0].ID != before.ID {
		t.Errorf("snapshots: %v", snaps)
	}
	if temps, _ := filepath.Glob(again.path("*", "*", ".*")); len(temps) > 0 {
		t.Errorf("left behind: %v", temps)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	second, err := again.Begin(t.Context(), SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	commitSealable(t, second, 77)
	if snaps := checkWhole(t, again); len(snaps) != 2 {
		t.Errorf("snapshots with room again: %v", snaps)
	}
	layoutNames(t, again)
	if err := errors.Join(second.Close(), again.Close()); err != nil {
		t.Error(err)
	}
}

// fillUp puts ever smaller chunks until not even a byte fits.
func fillUp(t *testing.T, s *Session) error {
	t.Helper()
	var last error
	seed := uint64(1000)
	for size := mib; size > 0; size /= 4 {
		for {
			seed++
			c := makeChunk(seed, size)
			stored, err := s.repo.Seal(nil, c.stored)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), c.id, c.plain, stored); err != nil {
				last = err
				break
			}
		}
	}
	return last
}

// putWhileFull is an item that exists already: only the snapshot is new.
func putWhileFull(t *testing.T, s *Session) []Item {
	t.Helper()
	snap, err := s.repo.Find(t.Context(), Latest, Query{})
	if err != nil {
		t.Fatal(err)
	}
	return snap.Items
}
