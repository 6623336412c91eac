package backup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// swapState is a volume with a restored folder beside it, as a journal sees it.
func swapState(t *testing.T) (stateDir string, j *inPlaceJournal, v *inPlaceVolume) {
	t.Helper()
	dir := t.TempDir()
	data := dir + "/volumes/x/_data"
	write(t, data+"/f", "old")
	j, err := createInPlaceJournal(dir, inPlaceRecord{ID: "1", Time: time.Now(), State: inPlaceRestoring})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = j.addVolume("x", data); err != nil {
		t.Fatal(err)
	}
	write(t, v.newDir("1")+"/f", "new")
	if err := j.noteInode(v); err != nil {
		t.Fatal(err)
	}
	return dir, j, v
}

// A restore that is killed at any step leaves all old or all new files, and the next run
// knows which.
func TestInPlaceKilled(t *testing.T) {
	for _, tc := range []struct {
		name    string
		reach   func(t *testing.T, j *inPlaceJournal, v *inPlaceVolume) // the last thing that was done
		content string
		kept    bool // the old data, for rollback
	}{
		{"while restoring", func(*testing.T, *inPlaceJournal, *inPlaceVolume) {}, "old", false},
		{"before the inode was noted", func(t *testing.T, j *inPlaceJournal, v *inPlaceVolume) {
			v.Inode = 0
			must(t, j.write())
		}, "old", false},
		{"before the swap", func(t *testing.T, j *inPlaceJournal, _ *inPlaceVolume) {
			j.record.State = inPlaceSwapping
			must(t, j.write())
		}, "old", false},
		{"between swap and rename", func(t *testing.T, j *inPlaceJournal, v *inPlaceVolume) {
			j.record.State = inPlaceSwapping
			must(t, j.write())
			must(t, exchange(v.newDir("1"), v.Data))
		}, "new", true},
		{"after the rename", func(t *testing.T, j *inPlaceJournal, v *inPlaceVolume) {
			must(t, j.swap())
			j.record.State = inPlaceSwapping
			must(t, j.write())
		}, "new", true},
		{"after all of it", func(t *testing.T, j *inPlaceJournal, _ *inPlaceVolume) { must(t, j.swap()) }, "new", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stateDir, j, v := swapState(t)
			tc.reach(t, j, v)
			must(t, removeAbandoned(stateDir)) // somebody is at work: nothing happens
			if _, err := os.Stat(j.path); err != nil {
				t.Fatalf("the journal of a running restore was removed: %v", err)
			}
			must(t, j.close())
			must(t, removeAbandoned(stateDir))
			if got := read(t, v.Data+"/f"); got != tc.content {
				t.Errorf("the volume holds %q, want %q", got, tc.content)
			}
			_, err := os.Stat(v.oldDir("1"))
			if kept := err == nil; kept != tc.kept {
				t.Errorf("old data is kept: %v, want %v", kept, tc.kept)
			}
			_, err = os.Stat(v.newDir("1"))
			if err == nil {
				t.Error("the restored folder is left beside the volume")
			}
			kept, err := InPlaceRestores(t.Context(), &Env{StateDir: stateDir})
			if err != nil || (len(kept) == 1) != tc.kept {
				t.Errorf("kept restores: %+v, %v", kept, err)
			}
		})
	}
}

// Swapping back is complete from every step of a swap.
func TestInPlaceSwapBack(t *testing.T) {
	for _, half := range []bool{false, true} {
		_, j, v := swapState(t)
		if half {
			must(t, exchange(v.newDir("1"), v.Data))
		} else {
			must(t, j.swap())
		}
		must(t, j.swapBack())
		if got := read(t, v.Data+"/f"); got != "old" {
			t.Errorf("half %v: the volume holds %q", half, got)
		}
		must(t, j.undo())
		must(t, j.close())
		entries, err := os.ReadDir(filepath.Dir(v.Data))
		if err != nil || len(entries) != 1 {
			t.Errorf("half %v: left beside the volume: %v, %v", half, entries, err)
		}
	}
}

// Old data is deleted only when asked for, and only once it is clear which.
func TestCommitInPlace(t *testing.T) {
	stateDir, j, v := swapState(t)
	must(t, j.swap())
	must(t, j.close())
	env := &Env{StateDir: stateDir}
	if _, err := CommitInPlace(t.Context(), env, "2"); err == nil || !strings.Contains(err.Error(), "no such restore in place") {
		t.Errorf("an unknown id: %v", err)
	}
	done, err := CommitInPlace(t.Context(), env, "1")
	if err != nil || done.Bytes == 0 || read(t, v.Data+"/f") != "new" {
		t.Errorf("commit: %+v, %v", done, err)
	}
	if _, err := os.Stat(v.oldDir("1")); err == nil {
		t.Error("the old data is still there")
	}
	if _, err := CommitInPlace(t.Context(), env, ""); err == nil {
		t.Error("a second commit finds something")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
