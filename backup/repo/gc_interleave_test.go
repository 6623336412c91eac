package repo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

var errCut = errors.New("cut here")

// player is one side of the protocol, which stops before every step until it is
// told to go on.
type player struct {
	steps  chan string
	resume chan bool // false: die
	ended  chan error
	at     string // the step it stands before; "" before the first
	over   bool
	err    error
}

func startPlayer(r *Repository, act func() error) *player {
	p := &player{steps: make(chan string), resume: make(chan bool), ended: make(chan error, 1)}
	r.trace = func(step string) {
		p.steps <- step
		if !<-p.resume {
			panic(errCut)
		}
	}
	go func() {
		defer func() {
			if r := recover(); r != nil {
				p.ended <- errCut
			}
		}()
		if !<-p.resume {
			panic(errCut)
		}
		p.ended <- act()
	}()
	return p
}

// step takes one step.
func (p *player) step(alive bool) {
	if p.over {
		return
	}
	p.resume <- alive
	select {
	case p.at = <-p.steps:
	case p.err = <-p.ended:
		p.over = true
	}
}

// play takes some steps, up to where the player has to wait for the other one.
func (p *player) play(steps int) {
	for n := 0; n < steps && !p.over && p.at != stepWait; n++ {
		p.step(true)
	}
}

func (p *player) finish() {
	for !p.over {
		p.step(true)
	}
}

// table is one game: a repository with a forgotten snapshot, somebody who wants
// its content again, and a gc without grace.
type table struct {
	repo         *Repository
	place        gamePlace
	backup, gc   *player
	collector    *Repository
	wantsRemoved bool // the backup may fail since its data was removed before it began
}

type scenario struct {
	name      string
	condemned bool // by an earlier gc
	undelete  bool // else a backup of the same content
}

func scenarios() []scenario {
	return []scenario{
		{name: "backup"}, {name: "backup of what is condemned", condemned: true},
		{name: "undelete", undelete: true}, {name: "undelete of what is condemned", undelete: true, condemned: true},
	}
}

// gamePlace is where games are played: fresh empties it and returns its storage, again connects to it once more.
type gamePlace struct {
	fresh, again func(t *testing.T) storage.Storage
}

func folderPlace(t *testing.T) gamePlace {
	t.Helper()
	dir := filepath.Join(fastDir(t), "repo")
	return gamePlace{
		fresh: func(t *testing.T) storage.Storage {
			t.Helper()
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			return storage.OpenDir(dir)
		},
		again: func(*testing.T) storage.Storage { return storage.OpenDir(dir) },
	}
}

// serverPlace is a server that keeps what S3 promises. Each client has its own cache.
func serverPlace(*testing.T) gamePlace {
	var on *storagetest.Memory
	connect := func(t *testing.T) storage.Storage {
		t.Helper()
		store, err := storage.NewRemote(on, storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	return gamePlace{again: connect, fresh: func(t *testing.T) storage.Storage {
		t.Helper()
		on = storagetest.NewMemory()
		return connect(t)
	}}
}

// setTable begins a game.
func setTable(t *testing.T, place gamePlace, sc scenario) *table {
	t.Helper()
	r, err := InitIn(t.Context(), place.fresh(t), Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	r.pause = time.Millisecond
	s, err := r.Begin(t.Context(), SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	snap := commitTree(t, s, "v", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = r.Forget(t.Context(), func([]Snapshot) ([]string, error) { return []string{snap.ID}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if sc.condemned {
		if _, err := r.GC(t.Context(), GCOptions{Grace: time.Nanosecond}); err != nil {
			t.Fatal(err)
		}
	}
	g := &table{repo: r, place: place, wantsRemoved: sc.undelete}
	if g.collector, err = OpenIn(t.Context(), place.again(t), Options{Host: "nas"}); err != nil {
		t.Fatal(err)
	}
	g.collector.pause = r.pause
	g.gc = startPlayer(g.collector, func() error { _, err := g.collector.GC(t.Context(), GCOptions{}); return err })
	g.backup = startPlayer(r, func() error {
		if sc.undelete {
			_, err := r.Undelete(t.Context(), []string{snap.ID})
			return err
		}
		return backUpAgain(t, r)
	})
	return g
}

func backUpAgain(t *testing.T, r *Repository) (err error) {
	s, err := r.Begin(t.Context(), SessionInfo{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	item, err := putTree(t.Context(), s, "v", makeChunk(1, 1000), makeChunk(2, 50))
	if err != nil {
		return err
	}
	r.at("put")
	if err := s.Sync(t.Context()); err != nil {
		return err
	}
	r.at("synced")
	_, err = s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
	return err
}

// check looks at the end of a game.
func (g *table) check(t *testing.T, game string) {
	t.Helper()
	removed := (*RemovedError)(nil)
	switch {
	case errors.As(g.backup.err, &removed) && g.wantsRemoved:
	case g.backup.err != nil:
		t.Errorf("%s: backup: %v", game, g.backup.err)
	}
	if g.gc.err != nil && !errors.Is(g.gc.err, errCut) {
		t.Errorf("%s: gc: %v", game, g.gc.err)
	}
	g.repo.trace, g.collector.trace = nil, nil
	for range 2 { // what is cut is resumed, what waits comes
		if _, err := g.collector.GC(t.Context(), GCOptions{}); err != nil {
			t.Errorf("%s: gc after all: %v", game, err)
		}
	}
	other, err := OpenIn(t.Context(), g.place.again(t), Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	checkSnapshots(t, other, nil)
	snaps, err := g.repo.Snapshots(t.Context())
	if err != nil || g.backup.err == nil && len(snaps) != 1 {
		t.Errorf("%s: %d snapshots, %v", game, len(snaps), err)
	}
	if err := errors.Join(other.Close(), g.repo.Close(), g.collector.Close()); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Fatalf("in %s", game)
	}
}

// All orders in which a backup and a gc can take turns twice, and all steps at
// which a gc can die: what was to be saved is saved, whole and in the index.
func TestInterleavedGC(t *testing.T) { playAll(t, folderPlace(t)) }

func playAll(t *testing.T, place gamePlace) {
	t.Helper()
	games := 0
	for _, sc := range scenarios() {
		for first := 0; ; first++ {
			begun := false
			for turn := 0; ; turn++ {
				var last bool
				for again := 0; ; again++ {
					var ended bool
					begun, last, ended = playGame(t, place, sc, first, turn, again)
					if games++; ended {
						break
					}
				}
				cutGame(t, place, sc, first, turn)
				if last {
					break
				}
			}
			if !begun {
				break
			}
		}
	}
	t.Logf("%d games", games)
	if games < 300 {
		t.Errorf("only %d games: the steps are not told", games)
	}
}

// playGame plays one game. It tells what was left to do: for the backup when its first turn was over, the gc when its was
// over, and the backup at its end.
func playGame(t *testing.T, place gamePlace, sc scenario, first, turn, again int) (begun, last, ended bool) {
	t.Helper()
	g := setTable(t, place, sc)
	g.backup.play(first)
	begun = !g.backup.over
	g.gc.play(turn)
	last = g.gc.over
	g.backup.play(again)
	ended = g.backup.over || g.backup.at == stepWait
	g.gc.finish()
	g.backup.finish()
	g.check(t, fmt.Sprintf("%s: backup %d, gc %d, backup %d", sc.name, first, turn, again))
	return begun, last, ended
}

// cutGame lets the gc die, and the backup go on.
func cutGame(t *testing.T, place gamePlace, sc scenario, first, turn int) {
	t.Helper()
	g := setTable(t, place, sc)
	g.backup.play(first)
	g.gc.play(turn)
	g.gc.step(false)
	g.backup.finish()
	g.check(t, fmt.Sprintf("%s: backup %d, gc dies at %d", sc.name, first, turn))
}
