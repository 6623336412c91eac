//go:build integration

package repo

import (
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// The power fails in the middle of backups, forgets, undeletes and removals: after the boot every snapshot that was
// announced and not forgotten is there and whole, the index offers only what is there, and all goes on.
func TestPowerCut(t *testing.T) {
	disks := map[string]func(t *testing.T) string{
		"ext4": func(t *testing.T) string { return enginetest.Disk(t, 256<<20) },
		"xfs":  func(t *testing.T) string { return enginetest.CowDisk(t, "xfs", 512<<20) },
	}
	for name, disk := range disks {
		t.Run(name, func(t *testing.T) {
			mount, random := disk(t), enginetest.Random(t)
			dir := filepath.Join(mount, "repo")
			p := newStressPlace(t, storagetest.Server{URL: dir, Dir: dir}, name == "xfs") // one of them encrypted
			saved := make(map[string]bool)
			cutWithSnapshots := 0
			for round := range enginetest.Rounds(t, 15) {
				noteSaved(saved, cutRound(t, p, mount, random))
				if len(saved) > 0 {
					cutWithSnapshots++
				}
				r := p.open(t)
				checkSnapshots(t, r, saved)
				if err := r.Close(); err != nil { // before it is unmounted
					t.Error(err)
				}
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			checkNothingIsLeft(t, p)
			if cutWithSnapshots == 0 {
				t.Error("there never was a snapshot that could be lost: nothing was tested")
			}
			t.Logf("%d cuts while there were snapshots, %d of them in the end", cutWithSnapshots, len(saved))
		})
	}
}

// cutRound cuts the disk off while actors work, boots, and returns what they announced.
func cutRound(t *testing.T, p stressPlace, mount string, random *rand.Rand) (lines []string) {
	t.Helper()
	type running struct {
		name          string
		cmd           *exec.Cmd
		out, problems strings.Builder
		ended         chan struct{}
	}
	var actors []*running
	for _, name := range []string{"writer", "writer", "collector", "forgetter"} {
		a := &running{name: name, cmd: p.command(name, filepath.Join(p.cache, name), random.Uint64()), ended: make(chan struct{})}
		a.cmd.Stdout, a.cmd.Stderr = &a.out, &a.problems
		if err := a.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { defer close(a.ended); _ = a.cmd.Wait() }() // by EIO or killed, unless it is looked at below
		actors = append(actors, a)
	}
	<-time.After(p.moment + time.Duration(random.IntN(900))*time.Millisecond)
	for _, a := range actors {
		select {
		case <-a.ended:
			t.Errorf("the %s ended by itself: %s", a.name, a.problems.String())
		default:
		}
	}
	enginetest.CutDisk(t, mount)
	for _, a := range actors {
		_ = a.cmd.Process.Kill() // it may have ended
		<-a.ended
		lines = append(lines, strings.Split(strings.TrimSpace(a.out.String()), "\n")...)
	}
	enginetest.MountAgain(t, mount)
	return lines
}
