package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"davit/engine/hostfs"
)

// Ledger remembers when objects of an engine were first seen and last used: what the engine itself forgets with the
// container that used them. It is kept in davit's state, and only maintenance commands write it.
type Ledger struct {
	Format  int                         `json:"format"`
	Engines map[string]map[string]Sight `json:"engines"` // by the engine's id, then by "kind id"

	path string
}

// Sight is what is remembered of one object.
type Sight struct {
	First time.Time `json:"first"`
	Used  time.Time `json:"used,omitzero"`
	How   string    `json:"how,omitempty"`
}

// LedgerFormat is the format of the ledger.
const LedgerFormat = 1

// OpenLedger reads the ledger below a folder; there may be none yet.
func OpenLedger(dir string) (*Ledger, error) {
	l := &Ledger{Format: LedgerFormat, Engines: map[string]map[string]Sight{}, path: filepath.Join(dir, "used.json")}
	data, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(data, l)
	}
	if err == nil && l.Format != LedgerFormat {
		err = fmt.Errorf("format %d is not known, this davit knows %d", l.Format, LedgerFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("read last-used ledger %s: %w", l.path, err)
	}
	if l.Engines == nil {
		l.Engines = map[string]map[string]Sight{}
	}
	return l, nil
}

// remember puts what the ledger knows into facts: a later use, and an arrival where nobody else knows one.
func (l *Ledger) remember(f *Facts) {
	if l == nil {
		return
	}
	for i := range f.Objects {
		o := &f.Objects[i]
		s, ok := l.Engines[f.Engine.ID][o.key()]
		if !ok {
			continue
		}
		if s.Used.After(o.Used) {
			o.Used, o.UsedFrom = s.Used, s.How
		}
		if o.Arrived.IsZero() {
			o.Arrived, o.ArrivedFrom = s.First, "first seen by davit"
		}
	}
}

// observe takes what facts show into the ledger, and drops what is gone.
func (l *Ledger) observe(f *Facts) {
	known := l.Engines[f.Engine.ID]
	now := map[string]Sight{}
	for i := range f.Objects {
		o := &f.Objects[i]
		if o.Kind == Container || o.Kind == Cache {
			continue // the engine remembers these itself
		}
		s, ok := known[o.key()]
		if !ok {
			s.First = f.Taken
		}
		if o.Used.After(s.Used) {
			s.Used, s.How = o.Used, o.UsedFrom
		}
		now[o.key()] = s
	}
	l.Engines[f.Engine.ID] = now
}

// Observe notes in davit's state what an engine's objects are used for now. It is for commands that maintain a host;
// those that only look write nothing.
func Observe(ctx context.Context, e Reader, state string, now func() time.Time) error {
	facts, err := Read(ctx, e, ReadOptions{Now: now})
	if err != nil {
		return err
	}
	return updateLedger(ledgerFolder(state), func(l *Ledger) { l.observe(facts) })
}

// see notes the use of one object, if nobody knows a later one.
func (l *Ledger) see(engine string, ref Ref, at time.Time, how string) {
	if l.Engines[engine] == nil {
		l.Engines[engine] = map[string]Sight{}
	}
	s := l.Engines[engine][ref.key()]
	if s.First.IsZero() {
		s.First = at
	}
	if at.After(s.Used) {
		s.Used, s.How = at, how
	}
	l.Engines[engine][ref.key()] = s
}

// updateLedger changes the ledger below a folder. Others that do so at the same time wait.
func updateLedger(dir string, change func(*Ledger)) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create folder of the last-used ledger: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "used.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock last-used ledger: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := hostfs.LockWaiting(lock); err != nil {
		return fmt.Errorf("lock last-used ledger: %w", err)
	}
	l, err := OpenLedger(dir)
	if err != nil {
		return err
	}
	change(l)
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode last-used ledger: %w", err)
	}
	return hostfs.WriteFile(l.path, data, 0o600)
}

func (r Ref) key() string { return string(r.Kind) + " " + r.ID }
