package repo

import (
	"context"
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

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// playActor is one process of the stress test: it works until it is killed.
func playActor(actor, url string) error {
	seed, err := strconv.ParseUint(os.Getenv("DAVIT_TEST_SEED"), 10, 64)
	if err != nil {
		return err
	}
	a := &stressActor{random: rand.New(rand.NewPCG(seed, 3))}
	o := Options{Host: actor}
	if keys := os.Getenv("DAVIT_TEST_KEYS"); keys != "" {
		o = Options{Host: "nas", HostKeys: keys}
	}
	store, err := storage.Connect(context.Background(), url, storage.Options{
		Cache: os.Getenv("DAVIT_TEST_CACHE"), Home: os.Getenv("DAVIT_TEST_HOME"), Getenv: os.Getenv,
	})
	if err != nil {
		return err
	}
	if a.repo, err = OpenIn(context.Background(), store, o); err != nil {
		return err
	}
	a.repo.trace = a.pause
	step := map[string]func(context.Context) error{"writer": a.write, "forgetter": a.forget, "collector": a.collect}[actor]
	for {
		if err := step(context.Background()); err != nil {
			return err
		}
	}
}

type stressActor struct {
	repo   *Repository
	mu     sync.Mutex
	random *rand.Rand
}

func (a *stressActor) intN(n int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.random.IntN(n)
}

// pause stretches the steps of the protocol, so that those of others come in
// between.
func (a *stressActor) pause(string) {
	if a.intN(3) == 0 {
		time.Sleep(time.Duration(a.intN(25)) * time.Millisecond)
	}
}

// write makes a snapshot of contents that others make and lose as well; one run
// in four is given up.
func (a *stressActor) write(ctx context.Context) (err error) {
	s, err := a.repo.Begin(ctx, SessionInfo{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var items []Item
	for n := range 1 + a.intN(3) {
		var chunks []chunk
		for range 1 + a.intN(4) {
			chunks = append(chunks, makeChunk(uint64(a.intN(30)), 500))
		}
		item, err := putSealable(ctx, s, fmt.Sprint("v", n), chunks...)
		if err != nil {
			return err
		}
		items = append(items, item)
		a.pause("put")
		if a.intN(3) == 0 {
			if err := s.Sync(ctx); err != nil {
				return err
			}
		}
	}
	if a.intN(4) == 0 {
		return nil
	}
	snap, err := s.Commit(ctx, Snapshot{Complete: true, Items: items})
	if err == nil {
		fmt.Println("saved", snap.ID)
	}
	return err
}

// forget forgets some snapshots and brings one back.
func (a *stressActor) forget(ctx context.Context) error {
	_, err := a.repo.Forget(ctx, func(snaps []Snapshot) (ids []string, err error) {
		for _, s := range snaps {
			if a.intN(2) == 0 {
				ids = append(ids, s.ID)
				fmt.Println("forgotten", s.ID)
			}
		}
		return ids, nil
	})
	if err != nil {
		return err
	}
	a.pause("forgotten")
	list, err := a.repo.Forgotten()
	if err != nil || len(list) == 0 {
		return err
	}
	id := list[a.intN(min(3, len(list)))].ID
	_, err = a.repo.Undelete(ctx, []string{id})
	if removed := (*RemovedError)(nil); errors.As(err, &removed) {
		return nil // what the gc took is told
	}
	if err == nil {
		fmt.Println("saved", id)
	}
	return err
}

func (a *stressActor) collect(ctx context.Context) error {
	_, err := a.repo.GC(ctx, GCOptions{})
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		err = nil // a session checks what the one that was killed has left
	}
	time.Sleep(time.Duration(a.intN(20)) * time.Millisecond)
	return err
}

// stressPlace is where the actors meet.
type stressPlace struct {
	at     storagetest.Server
	keys   string        // of an encrypted repository, which nobody there can decrypt
	cache  string        // the folder of their caches
	moment time.Duration // how long an actor lives at least
}

func newStressPlace(t *testing.T, at storagetest.Server, encrypted bool) stressPlace {
	t.Helper()
	p := stressPlace{at: at, cache: t.TempDir(), moment: 50 * time.Millisecond}
	store := at.Connect(t)
	if !store.Local() {
		p.moment = 400 * time.Millisecond
	}
	var r *Repository
	var err error
	if encrypted {
		p.keys = t.TempDir()
		r, err = InitEncryptedIn(t.Context(), store, p.options(), []KeyHolder{{Name: "test", Recipient: newIdentity(t).Recipient()}})
	} else {
		r, err = InitIn(t.Context(), store, p.options())
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p stressPlace) options() Options { return Options{Host: "nas", HostKeys: p.keys} }

func (p stressPlace) open(t *testing.T) *Repository {
	t.Helper()
	r, err := OpenIn(t.Context(), p.at.Connect(t), p.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// command is an actor that was not started yet.
func (p stressPlace) command(actor, cache string, seed uint64) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DAVIT_TEST_ACTOR="+actor, "DAVIT_TEST_REPO="+p.at.URL, "DAVIT_TEST_KEYS="+p.keys, "DAVIT_TEST_SEED="+strconv.FormatUint(seed, 10),
		"DAVIT_TEST_HOME="+p.at.Home, "DAVIT_TEST_CACHE="+cache)
	for name, value := range p.at.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// run starts an actor, kills it after a while and returns its lines.
func (p stressPlace) run(actor, cache string, seed uint64, after time.Duration) (string, error) {
	cmd := p.command(actor, cache, seed)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		return "", fmt.Errorf("the %s ended by itself: %w: %s", actor, err, problems.String())
	}
	return out.String(), nil
}

// Backups, forgets, undeletes and removals without any grace run side by side as
// processes of their own, pause at any step of the protocol and are killed at
// any moment: every snapshot that is announced and not forgotten is there and
// whole, and every blob that the index offers is there. A manifest that a killed
// backup published and no snapshot names may name a chunk that is gone: backups look
// each chunk up before they name it again. At last only what is needed is left.
func TestBackupsWhileGCSweeps(t *testing.T) {
	for name, encrypted := range map[string]bool{"clear": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(fastDir(t), "repo")
			stress(t, newStressPlace(t, storagetest.Server{URL: dir, Dir: dir}, encrypted), enginetest.Rounds(t, 6))
		})
	}
}

func stress(t *testing.T, p stressPlace, rounds int) {
	t.Helper()
	random := enginetest.Random(t)
	saved, removals := make(map[string]bool), 0
	for round := 0; round < rounds || removals < 5 && round < 10*rounds; round++ { // a slow machine takes more of them
		noteSaved(saved, stressRound(t, p, random))
		r := p.open(t)
		checkSnapshots(t, r, saved)
		runs, err := r.gcRuns(t.Context())
		if err != nil {
			t.Error(err)
		}
		if removals = len(runs); t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	checkNothingIsLeft(t, p)
	if removals < 5 {
		t.Errorf("only %d removals: nothing was tested", removals)
	}
	t.Logf("%d removals, %d snapshots", removals, len(saved))
}

// noteSaved follows what actors have told.
func noteSaved(saved map[string]bool, lines []string) {
	for _, line := range lines {
		verb, id, _ := strings.Cut(line, " ")
		switch verb {
		case "saved":
			saved[id] = true
		case "forgotten":
			delete(saved, id)
		}
	}
}

// stressRound runs all actors once. What a forgetter announces counts from the
// moment on at which it decides; a snapshot it brings back is announced again.
func stressRound(t *testing.T, p stressPlace, random *rand.Rand) (lines []string) {
	t.Helper()
	actors := []string{"writer", "writer", "writer", "collector", "forgetter"}
	outs, errs := make([]string, len(actors)), make([]error, len(actors))
	var wg sync.WaitGroup
	for i, actor := range actors {
		seed, after := random.Uint64(), p.moment+time.Duration(250+random.IntN(500))*time.Millisecond
		if actor == "collector" {
			after = p.moment + time.Duration(random.IntN(700))*time.Millisecond
		}
		cache := filepath.Join(p.cache, []string{"nas", "web"}[i%2])
		wg.Go(func() { outs[i], errs[i] = p.run(actor, cache, seed, after) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, out := range outs { // the forgetter is the last: it forgets what others have announced
		lines = append(lines, strings.Split(strings.TrimSpace(out), "\n")...)
	}
	return lines
}

// checkSnapshots reads all that a repository that was just opened has.
func checkSnapshots(t *testing.T, other *Repository, saved map[string]bool) {
	t.Helper()
	snaps, err := other.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id := range saved {
		if !slices.ContainsFunc(snaps, func(s Snapshot) bool { return s.ID == id }) {
			t.Errorf("snapshot %s was announced and is gone", id)
		}
	}
	g := newGraph(other)
	for _, snap := range snaps {
		if _, err := g.addSnapshot(t.Context(), snap.Digest, snap.Size); err != nil {
			t.Errorf("snapshot %s: %v", snap.ID, err)
		}
	}
	checkNodes(t, other, g)
	checkIndexFiles(t, other)
}

// checkNodes reads every blob.
func checkNodes(t *testing.T, r *Repository, g *graph) {
	t.Helper()
	for _, n := range g.nodes {
		if _, err := r.ReadBlob(t.Context(), n.blob.Digest, n.blob.Stored, nil); err != nil {
			t.Error(err)
		}
		if !r.index.indexed(n.blob) {
			t.Errorf("blob %s is needed and not in the index", n.blob.Digest)
		}
	}
}

// checkNothingIsLeft removes what nobody needs, with nobody at work.
func checkNothingIsLeft(t *testing.T, p stressPlace) {
	t.Helper()
	r := p.open(t)
	if err := begin(t, r).Close(); err != nil { // clears what the killed left
		t.Fatal(err)
	}
	var result GCResult
	for range 2 { // the first may resume one that was begun
		var err error
		if result, err = r.GC(t.Context(), GCOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if files := filesOn(t, p.at); files != result.Needed.Blobs {
		t.Errorf("%d files are left, %d are needed", files, result.Needed.Blobs)
	}
	checkSnapshots(t, p.open(t), nil)
}

// fastDir is a folder in memory where there is one: fsync is most of the time.
func fastDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "davit-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
