package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"davit/backup"
	"davit/engine/enginetest"
)

// The disk of the repository is full: that is said in one line, and costs nothing that was saved before.
func TestRepositoryDiskFull(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newSite(t, 256<<20)
	s.repo = filepath.Join(enginetest.Disk(t, 48<<20), "repo")
	s.ok(t, "backup", "init")
	write(t, s.data+"/first", noise(4<<20))
	old := s.create(t, []int{0}, "--path", s.data)
	was := tree(t, s.data)
	for i := range 5 { // more than there is room for, told before or while it is written
		write(t, fmt.Sprintf("%s/more%d", s.data, i), noise(20<<20))
	}
	for range 2 {
		r := s.ends(t, []int{1}, "backup", "create", "--progress", "none", "--path", s.data)
		full(t, r)
	}
	s.ok(t, "backup", "verify", "--read-data")
	item := old.Snapshot + ":path/" + backup.EncodeName(s.data)
	same(t, "the snapshot from before", was, tree(t, s.restored(t, item)))
	for i := range 5 {
		if err := os.Remove(fmt.Sprintf("%s/more%d", s.data, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// full checks that a failure is told in one line that names the lack of room.
func full(t *testing.T, r result) {
	t.Helper()
	r.err = strings.TrimPrefix(r.err, "saving 1 folder\n")
	oneLine(t, r)
	if !strings.Contains(r.err, "no space") && !strings.Contains(r.err, "free") && !strings.Contains(r.err, "room") {
		t.Errorf("does not tell that the disk is full:\n%s", r.err)
	}
}

// A restore that has no room, for bytes or for files, is refused before it writes anything.
func TestRestoreTargetTooSmall(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newSite(t, 512<<20)
	for name, c := range map[string]struct {
		fill func()
		room int64
	}{
		"bytes": {func() { write(t, s.data+"/big", noise(60<<20)) }, 64 << 20},
		"files": {func() {
			for i := range 9000 {
				write(t, fmt.Sprintf("%s/files/%d", s.data, i), nil)
			}
		}, 32 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(s.data); err != nil {
				t.Fatal(err)
			}
			c.fill()
			s.create(t, []int{0}, "--path", s.data)
			target := enginetest.Disk(t, c.room)
			before := tree(t, target)
			for _, spec := range []string{"latest", "latest:path/" + backup.EncodeName(s.data)} {
				full(t, s.ends(t, []int{1}, "backup", "restore", "--progress", "none", spec, "--to", target+"/out"))
				same(t, "the target", before, tree(t, target))
			}
		})
	}
}

// A freeze that takes longer than allowed ends, and the run says that the volume is not of one moment.
func TestMaxFreezeEndsAFreeze(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newEngineSite(t, 512<<20, enginetest.DockerdOptions{Version: "20.10"})
	write(t, s.data+"/original", noise(64<<20))
	s.runApp(t, "sh", "-c", rewrite)
	s.says(t, "app", "ready")
	for _, consistency := range []string{"pause", "stop"} {
		report := s.create(t, []int{3}, "--volume", "data", "--consistency", consistency, "--max-freeze", "1ms")
		if len(report.Freezes) != 1 || !report.Freezes[0].Exceeded {
			t.Errorf("%s: freezes: %+v", consistency, report.Freezes)
		}
		for _, it := range report.Items {
			if it.Kind == "volume" && it.Consistent {
				t.Errorf("%s: the volume is said to be consistent", consistency)
			}
		}
		if got := s.status("app"); got != "running" {
			t.Errorf("%s: app is %s", consistency, got)
		}
		s.nothingToUndo(t)
	}
	s.ok(t, "backup", "verify", "--read-data")
}
