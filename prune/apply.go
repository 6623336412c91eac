package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"davit/engine"
)

// Env is what Apply and Undo get from the process they run in.
type Env struct {
	Engine   Remover
	Archiver Archiver // nil: nothing can be archived
	StateDir string
	Host     string
	Now      func() time.Time
	Rand     io.Reader
	Progress func(done, of int, what string) // nil: nobody looks
	Patience time.Duration                   // how long to wait for an engine that went away; 0 is DefaultPatience
}

// DefaultPatience is time for an engine with many containers to restart.
const DefaultPatience = 2 * time.Minute

// Archiver puts objects where Undo finds them.
type Archiver interface {
	// Archive saves objects and verifies them. saved are those that are safe in the snapshot; problems tells of the
	// others; bytes is about what there is to save. An error means that nothing is safe.
	Archive(ctx context.Context, objects []Object, bytes int64) (snapshot string, saved map[Ref]bool, problems map[Ref]string, err error)

	// Expire lets go of this host's archives from before a time, and returns which those were.
	Expire(ctx context.Context, before time.Time) ([]string, error)
}

// PartialError says that a run did not do all that was planned.
type PartialError struct {
	Action         string
	Skipped, Fails int
	Short          bool // the target was not reached
}

func (e *PartialError) Error() string {
	text := e.Action + ": done in part"
	if e.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", e.Skipped)
	}
	if e.Fails > 0 {
		text += fmt.Sprintf(", %d failed", e.Fails)
	}
	if e.Short {
		text += ", the target is not reached"
	}
	return text
}

// Apply removes what a plan says, object by object, each looked at again just before. It waits for a backup that finds
// out what to save, and leaves alone what backups are saving. The record is not nil also with an error, except when
// nothing was begun. Errors: *PlanError, *BusyError, *PartialError.
func Apply(ctx context.Context, env *Env, plan *Plan) (_ *Record, err error) {
	unlock, err := lock(env.StateDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock.Close()) }()
	gate, err := enterPrune(ctx, env.StateDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, gate.Close()) }()
	a, err := beginApply(ctx, env, plan)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.journal.close()) }()
	defer a.changes.close()
	return a.record, a.run(ctx)
}

// beginApply reads what there is now, and opens the record.
func beginApply(ctx context.Context, env *Env, plan *Plan) (_ *applying, err error) {
	changes := listen(ctx, env.Engine) // before anything is read: nothing is missed
	defer func() {
		if err != nil {
			changes.close()
		}
	}()
	saving, err := savedNow(env.StateDir)
	if err != nil {
		return nil, err
	}
	ledger, err := OpenLedger(ledgerFolder(env.StateDir))
	if err != nil {
		return nil, err
	}
	facts, err := Read(ctx, env.Engine, ReadOptions{Now: env.Now, Used: ledger})
	if err != nil {
		return nil, err
	}
	if facts.Engine.ID != plan.Engine.ID {
		return nil, &PlanError{fmt.Sprintf("was made for engine %s (%s), and this is %s (%s)",
			plan.Engine.ID, plan.Engine.Name, facts.Engine.ID, facts.Engine.Name)}
	}
	if err := updateLedger(ledgerFolder(env.StateDir), func(l *Ledger) { l.observe(facts) }); err != nil {
		return nil, err
	}
	id, err := newRunID(env.Now(), env.Rand)
	if err != nil {
		return nil, err
	}
	a := &applying{
		env: env, plan: plan, facts: facts, index: facts.index(), users: facts.users(), gone: map[Ref]bool{}, goes: map[Ref]bool{},
		saving: saving, changes: changes,
	}
	for _, v := range plan.Removed {
		a.goes[v.Ref] = true
	}
	a.record = &Record{
		ID: id, Began: env.Now().UTC(), Host: env.Host, Engine: facts.Engine.ID, Policy: plan.Policy,
		Archive: plan.Options.Archive, Planned: plan.Bytes,
	}
	a.journal, err = beginJournal(env.StateDir, a.record)
	return a, err
}

func ledgerFolder(state string) string { return filepath.Join(state, "prune") }

// LedgerOf reads what davit remembers of the uses of objects, for Read.
func LedgerOf(state string) (*Ledger, error) { return OpenLedger(ledgerFolder(state)) }

// applying is one run of Apply.
type applying struct {
	env     *Env
	plan    *Plan
	facts   *Facts // as they are now
	index   map[Ref]*Object
	users   map[Ref][]*Object
	goes    map[Ref]bool // what the plan removes
	gone    map[Ref]bool // what is removed by now
	saving  map[string]bool
	changes *changes
	saved   map[Ref]bool
	unsaved map[Ref]string // why
	record  *Record
	journal *journal
	reached bool
}

func (a *applying) run(ctx context.Context) error {
	var before *Space
	if a.facts.Space != nil {
		before = a.facts.Space
	}
	err := a.archive(ctx)
	for i := range a.plan.Removed {
		if err != nil || a.reached {
			break
		}
		v := &a.plan.Removed[i]
		if a.env.Progress != nil {
			a.env.Progress(i, len(a.plan.Removed), v.title())
		}
		if err = a.object(ctx, v); err == nil {
			a.measure(before)
		}
	}
	a.measure(before)
	err = errors.Join(err, a.expire(ctx))
	a.record.Ended = a.env.Now().UTC()
	end := *a.record
	end.Deeds = nil
	return errors.Join(err, a.journal.write(line{End: &end}), a.outcome())
}

// expire lets go of older archives, once what they would have been needed for is done.
func (a *applying) expire(ctx context.Context) (err error) {
	keep := a.plan.Options.ArchiveKeep
	if keep == nil || a.env.Archiver == nil || ctx.Err() != nil {
		return nil
	}
	a.record.Expired, err = a.env.Archiver.Expire(ctx, a.env.Now().Add(-keep.Duration))
	if err != nil {
		return fmt.Errorf("let go of old archives: %w", err)
	}
	return nil
}

// measure looks how much is free now, and whether that is enough.
func (a *applying) measure(before *Space) {
	if before == nil {
		return
	}
	now, err := ReadSpace(before.Path)
	if err != nil {
		return
	}
	a.record.Measured, a.record.Seen = int64(now.Free)-int64(before.Free), true
	a.reached = a.plan.Goal != nil && a.plan.Goal.reached(now)
}

func (a *applying) outcome() error {
	p := &PartialError{Action: "prune", Skipped: a.record.Count(Skipped), Fails: a.record.Count(Failed)}
	p.Short = a.plan.Goal != nil && a.facts.Space != nil && !a.reached
	if p.Skipped+p.Fails > 0 || p.Short {
		return p
	}
	return nil
}

// archive saves what is only to go when it is saved, all at once, so that shared layers are stored once.
func (a *applying) archive(ctx context.Context) error {
	var list []Object
	var bytes int64
	layers := map[string]bool{}
	for i := range a.plan.Removed {
		v := &a.plan.Removed[i]
		if v.Archive && a.changed(v) == "" {
			o := a.index[v.Ref]
			list = append(list, *o)
			if o.Kind != Image {
				bytes += v.Bytes
				continue
			}
			for _, u := range o.Units {
				if !layers[u] {
					layers[u], bytes = true, bytes+a.facts.Units[u]
				}
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	if a.env.Archiver == nil {
		return &PlanError{"archives objects first, and there is no archive"}
	}
	snapshot, saved, problems, err := a.env.Archiver.Archive(ctx, list, bytes)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	a.saved, a.unsaved, a.record.Snapshot = saved, problems, snapshot
	return a.journal.write(line{Saved: snapshot})
}

// object carries out one verdict. Only an error that ends the run is returned.
func (a *applying) object(ctx context.Context, v *Verdict) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d := Deed{Object: v.Object, Bytes: v.Bytes, At: a.env.Now().UTC(), Archived: a.saved[v.Ref]}
	if reason := a.changed(v); reason != "" {
		return a.skip(d, reason)
	}
	d.Object = *a.index[v.Ref]
	if v.Archive && !d.Archived {
		d.Outcome, d.Reason = Failed, "it could not be archived: "+a.unsaved[v.Ref]
		return a.note(d)
	}
	reason, err := a.look(ctx, &d.Object)
	for tries := 0; engine.IsUnreachable(err) && tries < 3 && a.await(ctx) == nil; tries++ {
		reason, err = a.look(ctx, &d.Object)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		d.Outcome, d.Reason = Failed, err.Error()
		if engine.IsUnreachable(err) { // the others would fail as well
			return errors.Join(err, a.note(d))
		}
		return a.note(d)
	case reason != "":
		return a.skip(d, reason)
	}
	d.Outcome, d.Raw = Begun, d.Object.Raw
	if err := a.journal.write(line{Deed: &d}); err != nil {
		return err
	}
	d.Outcome = Removed
	// What is begun is finished and noted, also when somebody wants the run to end.
	if err := a.finish(context.WithoutCancel(ctx), &d); err != nil {
		d.Outcome, d.Reason = Failed, err.Error()
	} else {
		if a.gone[v.Ref] = true; v.Kind == Container {
			a.changes.stale()
		}
		a.record.Freed += d.Bytes
	}
	return a.note(d)
}

// finish removes an object. When the engine goes away meanwhile, it is asked again once it is back: it may have done it.
func (a *applying) finish(ctx context.Context, d *Deed) error {
	err := a.remove(ctx, d)
	for tries := 0; engine.IsUnreachable(err) && tries < 3 && a.await(ctx) == nil; tries++ {
		object := d.Object
		reason, lookErr := a.look(ctx, &object)
		switch {
		case lookErr != nil:
			err = lookErr
		case reason == goneAlready:
			return nil
		default:
			err = a.remove(ctx, d)
		}
	}
	return err
}

// await waits for an engine that went away.
func (a *applying) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(a.env.Patience, DefaultPatience))
	defer cancel()
	for {
		_, err := a.env.Engine.Info(ctx)
		if err == nil || ctx.Err() != nil || !engine.IsUnreachable(err) {
			return err
		}
		pause(ctx, 200*time.Millisecond)
	}
}

func (a *applying) skip(d Deed, reason string) error {
	d.Outcome, d.Reason = Skipped, reason
	return a.note(d)
}

// note writes what became of an object.
func (a *applying) note(d Deed) error {
	a.record.Deeds = append(a.record.Deeds, d)
	if d.Outcome != Skipped {
		d.Raw = nil // the first line of the deed has it
	}
	return a.journal.write(line{Deed: &d})
}
