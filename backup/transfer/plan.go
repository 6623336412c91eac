package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"davit/backup"
	"davit/backup/repo"
)

// Options say what is to be copied.
type Options struct {
	From, To *repo.Repository

	Specs []string // snapshots; none: all that there are, but the archives of prune
	Host  string   // only of this host; for "latest" among the specs, Self is meant when it is empty
	Job   string   // only of this job
	Tags  []string // only with all of these tags
	Self  string   // this host
	Newer bool     // only what is newer than the newest of its host and job that the target has or had

	AllowPlaintext bool // let what is encrypted be stored in the clear
}

// Mode is what happens to the bytes.
type Mode string

// The modes.
const (
	ModeAsIs      Mode = "as-is"
	ModeEncrypt   Mode = "encrypt"
	ModeDecrypt   Mode = "decrypt"
	ModeReencrypt Mode = "re-encrypt"
)

// Action is what happens to a snapshot.
type Action string

// The actions.
const (
	ActionCopy  Action = "copy"
	ActionThere Action = "there" // the target has it
	ActionSkip  Action = "skip"  // for the reason given
)

// Plan is what a copy will do. Apply carries it out, unless Refused names reasons not to.
type Plan struct {
	From      string           `json:"from"` // location
	To        string           `json:"to"`
	Mode      Mode             `json:"mode"`
	Snapshots []Planned        `json:"snapshots"` // oldest first
	Refused   []backup.Refusal `json:"refused"`
	Notes     []string         `json:"notes"`

	options    Options
	unreadable *repo.UnreadableError // what the source has and cannot be read
	there      []repo.Snapshot       // in the target
}

// Planned is one snapshot of a plan.
type Planned struct {
	ID     string    `json:"id"`
	Host   string    `json:"host"`
	Job    string    `json:"job,omitempty"`
	Time   time.Time `json:"time"`
	Items  int       `json:"items"`
	Bytes  int64     `json:"bytes"` // what a restore of it writes, about
	Action Action    `json:"action"`
	Reason string    `json:"reason,omitempty"`

	snapshot repo.Snapshot
}

// NewPlan decides what is to be copied. It writes nothing.
func NewPlan(ctx context.Context, o Options) (*Plan, error) {
	if err := differ(o.From, o.To); err != nil {
		return nil, err
	}
	p := &Plan{
		From: o.From.Dir(), To: o.To.Dir(), Mode: modeOf(o), options: o,
		Snapshots: []Planned{}, Refused: []backup.Refusal{}, Notes: []string{},
	}
	if err := o.From.NeedKey(); err != nil {
		return nil, fmt.Errorf("read the source: %w", err)
	}
	if err := o.To.CheckHeads(); err != nil {
		return nil, fmt.Errorf("look at the target: %w", err)
	}
	chosen, err := Choose(ctx, o)
	if err != nil {
		return nil, err
	}
	p.Notes, p.unreadable = append(p.Notes, chosen.Notes...), chosen.Unreadable
	if err := p.compare(ctx, chosen.Snapshots); err != nil {
		return nil, err
	}
	p.refuse()
	return p, nil
}

// differ keeps a repository from being copied into itself.
func differ(from, to *repo.Repository) error {
	a, b := from.Dir(), to.Dir()
	for _, dir := range []*string{&a, &b} {
		if real, err := filepath.EvalSymlinks(*dir); err == nil {
			*dir = real
		}
		if whole, err := filepath.Abs(*dir); err == nil && from.Local() && to.Local() {
			*dir = whole
		}
	}
	if a == b {
		return &backup.UsageError{Reason: fmt.Sprintf("%s and %s are the same repository", from.Dir(), to.Dir()),
			Hint: "davit backup init makes one to copy to"}
	}
	return nil
}

func modeOf(o Options) Mode {
	switch from, to := o.From.Encrypted(), o.To.Encrypted(); {
	case from && to:
		return ModeReencrypt
	case from:
		return ModeDecrypt
	case to:
		return ModeEncrypt
	}
	return ModeAsIs
}

// Chosen are the snapshots of the source that are meant.
type Chosen struct {
	Snapshots  []repo.Snapshot // oldest first
	Notes      []string
	Unreadable *repo.UnreadableError // what else there is; nil: nothing
}

// Choose finds the snapshots that Options.Specs, Host and Job mean.
func Choose(ctx context.Context, o Options) (c Chosen, err error) {
	if len(o.Specs) > 0 {
		c.Snapshots, err = named(ctx, o)
		return c, err
	}
	if err := o.From.CheckHeads(); err != nil {
		return c, err
	}
	snaps, err := o.From.Snapshots(ctx)
	if err != nil && !errors.As(err, &c.Unreadable) {
		return c, err
	}
	if c.Unreadable != nil {
		for _, u := range c.Unreadable.Problems {
			c.Notes = append(c.Notes, fmt.Sprintf("snapshot %s cannot be read and is not copied: %v", u.ID, u.Err))
		}
	}
	c.Snapshots = slices.DeleteFunc(snaps, func(s repo.Snapshot) bool {
		return o.Host != "" && s.Host != o.Host || o.Job != "" && s.Job != o.Job || o.Job == "" && s.Job == repo.JobPruneArchive || !backup.HasTags(s, o.Tags)
	})
	slices.Reverse(c.Snapshots)
	return c, nil
}

func named(ctx context.Context, o Options) ([]repo.Snapshot, error) {
	var snaps []repo.Snapshot
	for _, spec := range o.Specs {
		s, err := o.From.Find(ctx, spec, repo.Query{Host: cmp.Or(o.Host, o.Self), Job: o.Job})
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(snaps, func(other repo.Snapshot) bool { return other.ID == s.ID }) {
			snaps = append(snaps, s)
		}
	}
	slices.SortStableFunc(snaps, func(a, b repo.Snapshot) int { return a.Time.Compare(b.Time) })
	return snaps, nil
}

// PlanOf is a snapshot as a plan shows it.
func PlanOf(s repo.Snapshot, a Action) Planned {
	return Planned{ID: s.ID, Host: s.Host, Job: s.Job, Time: s.Time, Items: s.ItemCount(), Bytes: streamBytes(s), Action: a, snapshot: s}
}

// compare looks which of the chosen the target has, or had.
func (p *Plan) compare(ctx context.Context, chosen []repo.Snapshot) error {
	to := p.options.To
	there, err := to.Snapshots(ctx)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return fmt.Errorf("read the target: %w", err)
	}
	p.there = there
	forgotten, err := to.EverForgotten()
	if err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	newest := newestOf(there, forgotten)
	for _, s := range chosen {
		if p.options.Newer && !s.Time.After(newest[series{s.Host, s.Job}]) {
			continue
		}
		plan := PlanOf(s, ActionCopy)
		for _, have := range there {
			if have.ID == s.ID {
				plan.Action = ActionThere
				if !sameRun(have, s) {
					p.Refused = append(p.Refused, backup.Refusal{Reason: fmt.Sprintf("the target has another snapshot with the id %s, of host %s", s.ID, have.Host)})
				}
			}
		}
		if unreadable != nil && slices.ContainsFunc(unreadable.Problems, func(u repo.SnapshotProblem) bool { return u.ID == s.ID }) {
			plan.Action, plan.Reason = ActionSkip, "the target has it, and it cannot be read there"
			p.Notes = append(p.Notes, fmt.Sprintf("snapshot %s cannot be read in the target: davit backup repair tells more", s.ID))
		}
		if plan.Action == ActionCopy {
			plan.skipForgotten(forgotten, len(p.options.Specs) > 0)
		}
		p.Snapshots = append(p.Snapshots, plan)
	}
	return nil
}

// skipForgotten leaves out what was forgotten in the target. What cannot be brought back there is copied again
// when it is named.
func (p *Planned) skipForgotten(forgotten []repo.Forgotten, named bool) {
	n := slices.IndexFunc(forgotten, func(f repo.Forgotten) bool { return f.ID == p.ID })
	switch {
	case n < 0 || forgotten[n].Long && named:
	case forgotten[n].Long:
		p.Action, p.Reason = ActionSkip, "it was forgotten in the target; name it to have it copied again"
	default:
		p.Action, p.Reason = ActionSkip, "it was forgotten in the target; undelete may bring it back"
	}
}

// series is what the snapshots of a host and a job are together.
type series struct{ host, job string }

// newestOf is the time of the newest snapshot of each series that is or was there.
func newestOf(there []repo.Snapshot, forgotten []repo.Forgotten) map[series]time.Time {
	newest := map[series]time.Time{}
	note := func(host, job string, when time.Time) {
		if s := (series{host, job}); when.After(newest[s]) {
			newest[s] = when
		}
	}
	for _, s := range there {
		note(s.Host, s.Job, s.Time)
	}
	for _, f := range forgotten {
		note(f.Host, f.Job, f.Time)
	}
	return newest
}

// streamBytes is about what a restore writes. Without a key the items tell nothing, and the snapshot does.
func streamBytes(s repo.Snapshot) int64 {
	if s.Sealed() {
		return backup.SnapshotBytes(s)
	}
	var sum int64
	for _, it := range s.Items {
		sum += backup.ItemStream(it)
	}
	return sum
}

// sameRun tells a copy from another snapshot that happens to have its id.
func sameRun(a, b repo.Snapshot) bool {
	return a.Host == b.Host && a.Job == b.Job && a.Time.Equal(b.Time)
}

// refuse finds what forbids the copy.
func (p *Plan) refuse() {
	if p.Mode == ModeDecrypt && !p.options.AllowPlaintext {
		p.Refused = append(p.Refused, backup.Refusal{
			Reason: "the source is encrypted and the target is not: whoever can read it could read the data",
			Hint:   "--allow-plaintext does it all the same; davit backup init --recipient makes an encrypted target",
		})
	}
	asked := map[string]bool{}
	for _, s := range p.Snapshots {
		if s.Action != ActionCopy || asked[s.Host] {
			continue
		}
		asked[s.Host] = true
		if err := p.options.To.CanSaveFor(s.Host); err != nil {
			p.Refused = append(p.Refused, backup.Refusal{
				Reason: fmt.Sprintf("snapshots of host %s cannot be signed in the target: %v", s.Host, err),
				Hint:   "an identity of the target lets you copy those of any host: --identity-file FILE",
			})
		}
	}
}

// Count is how many snapshots an action is planned for.
func (p *Plan) Count(a Action) int {
	n := 0
	for _, s := range p.Snapshots {
		if s.Action == a {
			n++
		}
	}
	return n
}

// Err is a *backup.RefusedError when the plan must not be carried out.
func (p *Plan) Err() error {
	if len(p.Refused) == 0 {
		return nil
	}
	return &backup.RefusedError{Action: "copy", Reasons: p.Refused}
}
