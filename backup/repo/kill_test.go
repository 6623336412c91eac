package repo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// writeUntilKilled makes snapshots without end and prints each id.
func writeUntilKilled(dir string) error {
	seed, err := strconv.ParseUint(os.Getenv("DAVIT_TEST_SEED"), 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	r, err := Open(dir, Options{Host: "child"})
	if err != nil {
		return err
	}
	for {
		s, err := r.Begin(ctx, SessionInfo{})
		if err != nil {
			return err
		}
		var items []Item
		for n := range uint64(3) {
			seed += 10
			// The last chunk is the same in all runs: every process wants it.
			item, err := putTree(ctx, s, fmt.Sprint("v", n), makeChunk(seed, 100_000), makeChunk(seed+1, 1), makeChunk(7+n, 2000))
			if err != nil {
				return err
			}
			if err := s.Sync(ctx); err != nil {
				return err
			}
			items = append(items, item)
		}
		snap, err := s.Commit(ctx, Snapshot{Complete: true, Items: items})
		if err != nil {
			return err
		}
		fmt.Println(snap.ID)
		if err := s.Close(); err != nil {
			return err
		}
	}
}

// killWriter runs a writer, kills it, and returns the ids it had announced.
func killWriter(dir string, seed uint64, after time.Duration) ([]string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DAVIT_TEST_WRITER="+dir, "DAVIT_TEST_SEED="+strconv.FormatUint(seed, 10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var ids []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		ids = append(ids, lines.Text())
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		return nil, fmt.Errorf("the writer ended by itself: %w", err)
	}
	return ids, nil
}

// After SIGKILL at any moment, with a second writer at work that is killed at
// another: all that was announced is there, all that is ref'd is whole, the
// index is right, and the next session clears what was left.
func TestKilledWritersLeaveRepositoryWhole(t *testing.T) {
	r := newRepo(t)
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	var announced []string
	longest := 250 // milliseconds; a slow disk gets more
	for round := range uint64(25) {
		var wg sync.WaitGroup
		var ids [2][]string
		var errs [2]error
		for n := range 2 {
			seed, after := (2*round+uint64(n))*500_000, time.Duration(10+random.IntN(longest))*time.Millisecond
			wg.Go(func() { ids[n], errs[n] = killWriter(r.Dir(), seed, after) })
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		announced = slices.Concat(announced, ids[0], ids[1])
		checkAfterKill(t, r, announced)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
		if len(announced) == 0 {
			longest += 250
		}
	}
	if len(announced) == 0 {
		t.Error("no writer ever finished a snapshot: nothing was tested")
	}
	t.Logf("%d snapshots announced", len(announced))
}

func checkAfterKill(t *testing.T, r *Repository, announced []string) {
	t.Helper()
	other := reopen(t, r)
	defer other.Close()
	if problems := other.IndexProblems(); len(problems) > 0 {
		t.Errorf("index problems: %v", problems)
	}
	snaps := checkWhole(t, other)
	for _, id := range announced {
		if !slices.ContainsFunc(snaps, func(s Snapshot) bool { return s.ID == id }) {
			t.Errorf("snapshot %s was announced and is gone", id)
		}
	}
	checkIndexFiles(t, other)
	var layout ocispec.Index
	if err := json.Unmarshal(readFile(t, other.path("index.json")), &layout); err != nil {
		t.Errorf("index.json: %v", err)
	}
	s := begin(t, other)
	if temps, err := filepath.Glob(other.path(blobDir, ".tmp-"+"*")); err != nil || len(temps) > 0 {
		t.Errorf("temporary files after Begin: %v, %v", temps, err)
	}
	sessions := slices.DeleteFunc(fileNames(t, other.path(sessionDir)), func(name string) bool { return strings.HasPrefix(name, ".") })
	if len(sessions) != 1 {
		t.Errorf("sessions after Begin: %v", sessions)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// checkIndexFiles checks that what the index files name is there.
func checkIndexFiles(t *testing.T, r *Repository) {
	t.Helper()
	for b, err := range mergeRecords(t.Context(), r.index.files) {
		if err != nil {
			t.Fatal(err)
		}
		if size, ok, err := r.HasFile(t.Context(), b.Digest); err != nil || !ok || size != b.Stored {
			t.Errorf("index names %s of %d bytes, found %d, %v", b.Digest, b.Stored, size, ok)
		}
	}
}
