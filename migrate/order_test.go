package migrate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/engine/systemd"
	"davit/migrate"
)

// launcher says whether the worker's unit is up.
type launcher struct {
	migrate.Launcher
	up bool
}

func (l launcher) Unit(context.Context, string) (systemd.Unit, error) {
	return systemd.Unit{Active: map[bool]string{true: "activating", false: "inactive"}[l.up]}, nil
}

// A migration is in the way of another one while its worker lives or is about to, until it was decided about, and until it is committed.
func TestInTheWay(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	way := func(up bool) error { return migrate.InTheWay(t.Context(), launcher{up: up}, h.state()) }
	var unfinished *migrate.UnfinishedError
	must(t, way(false))
	h.begin(t, h.plan())
	if err := way(true); !errors.Is(err, migrate.ErrBusy) {
		t.Errorf("about to work: %v", err)
	}
	if err := way(false); !errors.As(err, &unfinished) {
		t.Errorf("its worker is dead: %v", err)
	}
	must(t, h.worker().Recover(t.Context()))
	must(t, way(false))
	must(t, migrate.Order(h.state(), migrate.ActionRun, time.Now))
	must(t, h.worker().Work(t.Context()))
	if err := way(false); !errors.As(err, &unfinished) {
		t.Errorf("done and not committed: %v", err)
	}
}

// A run that was undone for its limit can be gone on with under another one.
func TestAnotherLimit(t *testing.T) {
	h := newFakeHost(t, enginetest.Disk(t, 64<<20))
	if err := migrate.LimitDowntime(h.state(), time.Hour, time.Now); !errors.Is(err, migrate.ErrNone) {
		t.Errorf("of no migration: %v", err)
	}
	p := h.plan()
	p.Options.MaxDowntime = time.Nanosecond
	h.begin(t, p)
	var undone *migrate.UndoneError
	if err := h.worker().Work(t.Context()); !errors.As(err, &undone) {
		t.Fatalf("%v", err)
	}
	if err := migrate.LimitDowntime(h.state(), -time.Hour, time.Now); err == nil {
		t.Error("a negative limit is taken")
	}
	must(t, migrate.LimitDowntime(h.state(), 0, time.Now))
	must(t, migrate.Order(h.state(), migrate.ActionRun, time.Now))
	must(t, h.worker().Work(t.Context()))
	if h.root != h.new() {
		t.Errorf("the engine is on %s", h.root)
	}
}
