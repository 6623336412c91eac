package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup"
	"davit/backup/chunk"
	"davit/backup/repo"
)

// SummaryOrigin is the name of the entry in a copy's summary that says what it is a
// copy of: REPOSITORY/SNAPSHOT, ids both.
const SummaryOrigin = "origin"

// Report is what a copy did.
type Report struct {
	From      string    `json:"from"`
	To        string    `json:"to"`
	Mode      Mode      `json:"mode"`
	Copied    []Copied  `json:"copied"`
	There     int       `json:"there"`   // snapshots that the target had
	Skipped   int       `json:"skipped"` // for other reasons, see the plan
	Failed    []Failure `json:"failed"`
	Blobs     int64     `json:"blobs"`      // written
	BytesRead int64     `json:"bytes_read"` // stored bytes of the source
	Stored    int64     `json:"stored"`     // bytes written to the target
	Seconds   float64   `json:"seconds"`
}

// Copied is a snapshot that is in the target now.
type Copied struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	Job     string    `json:"job,omitempty"`
	Time    time.Time `json:"time"`
	Bytes   int64     `json:"bytes"`
	Read    int64     `json:"bytes_read"`
	Stored  int64     `json:"stored"`
	Seconds float64   `json:"seconds"`
}

// Failure is a snapshot that could not be copied.
type Failure struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Env is what a copy needs of the process.
type Env struct {
	Now      func() time.Time
	Reporter backup.Reporter
	Workers  int // chunks that are copied at once; 0: a few
}

const defaultWorkers = 4

// copier is one run of Apply.
type copier struct {
	env      Env
	from, to *repo.Repository
	session  *repo.Session
	decoder  *chunk.Decoder
	known    *known
	attests  bool // there is an identity of an encrypted target
	scratch  sync.Pool

	blobs, read, stored atomic.Int64
	counted             atomic.Int64 // of the item at work
}

// Apply carries a plan out. It returns a report also beside an error, unless nothing was begun. A snapshot that is
// damaged in the source does not keep the others from being copied; the error is then, or joins, a *repo.DamagedError.
// What the source cannot read at all is a *repo.UnreadableError at the end.
func Apply(ctx context.Context, env Env, p *Plan) (_ *Report, err error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	began := env.Now()
	report := &Report{From: p.From, To: p.To, Mode: p.Mode, Copied: []Copied{}, Failed: []Failure{}, There: p.Count(ActionThere), Skipped: p.Count(ActionSkip)}
	var unread error
	if p.unreadable != nil {
		unread = p.unreadable
	}
	if p.Count(ActionCopy) == 0 {
		return report, unread
	}
	c, done, err := newCopier(ctx, env, p)
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, done())
		report.Blobs, report.BytesRead, report.Stored = c.blobs.Load(), c.read.Load(), c.stored.Load()
		report.Seconds = env.Now().Sub(began).Seconds()
	}()
	var damage []error
	for i := range p.Snapshots {
		if p.Snapshots[i].Action != ActionCopy {
			continue
		}
		copied, err := c.snapshot(ctx, p, &p.Snapshots[i])
		var damaged *repo.DamagedError
		var exists *repo.ExistsError
		switch {
		case err == nil:
			report.Copied = append(report.Copied, copied)
		case errors.As(err, &exists) && exists.Forgotten:
			report.Skipped++
		case errors.As(err, &exists): // another one has copied it since the plan was made
			report.There++
		case errors.As(err, &damaged) && ctx.Err() == nil:
			report.Failed = append(report.Failed, Failure{ID: p.Snapshots[i].ID, Reason: err.Error()})
			damage = append(damage, fmt.Errorf("copy snapshot %s: %w", p.Snapshots[i].ID, err))
		default:
			return report, fmt.Errorf("copy snapshot %s: %w", p.Snapshots[i].ID, err)
		}
	}
	return report, errors.Join(errors.Join(damage...), unread)
}

func newCopier(ctx context.Context, env Env, p *Plan) (c *copier, done func() error, err error) {
	if env.Reporter == nil {
		env.Reporter = backup.NoReporter{}
	}
	if env.Workers <= 0 {
		env.Workers = defaultWorkers
	}
	o := p.options
	c = &copier{env: env, from: o.From, to: o.To, scratch: sync.Pool{New: func() any { return new(buffers) }}}
	if o.To.Encrypted() {
		if c.attests, err = o.To.Unlocked(); err != nil {
			return nil, nil, err
		}
	}
	if c.decoder, err = chunk.NewDecoder(); err != nil {
		return nil, nil, err
	}
	if c.session, err = o.To.Begin(ctx, repo.SessionInfo{Host: o.Self, Vouch: true}); err != nil {
		c.decoder.Close()
		return nil, nil, err
	}
	done = func() error {
		env.Reporter.Done()
		c.decoder.Close()
		return c.session.Close()
	}
	c.known = newKnown(o.From.Encrypted())
	if err := c.learn(ctx, p); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	var bytes int64
	for _, s := range p.Snapshots {
		if s.Action == ActionCopy {
			bytes += s.Bytes
		}
	}
	env.Reporter.Start(bytes, 0)
	return c, done, nil
}

// snapshot copies one snapshot and commits it.
func (c *copier) snapshot(ctx context.Context, p *Plan, s *Planned) (Copied, error) {
	if err := backup.CheckRoom(c.to, "copy"); err != nil {
		return Copied{}, err
	}
	began, read, stored := c.env.Now(), c.read.Load(), c.stored.Load()
	from := s.snapshot
	copied := repo.Snapshot{
		ID: from.ID, Time: from.Time, Host: from.Host, Job: from.Job, Consistency: from.Consistency,
		EngineVersion: from.EngineVersion, DavitVersion: from.DavitVersion, Complete: from.Complete,
		Summary: maps.Clone(from.Summary),
	}
	if copied.Summary == nil {
		copied.Summary = map[string]string{}
	}
	if copied.Summary[SummaryOrigin] == "" {
		copied.Summary[SummaryOrigin] = c.from.Config().ID + "/" + from.ID
	}
	for _, it := range from.Items {
		c.env.Reporter.Item(from.ID + ":" + backup.FormatItem(it.Kind, it.Name))
		desc, err := c.item(ctx, it)
		if err != nil {
			return Copied{}, fmt.Errorf("%s: %w", backup.FormatItem(it.Kind, it.Name), err)
		}
		copied.Items = append(copied.Items, repo.Item{Kind: it.Kind, Name: it.Name, Desc: desc, Annotations: it.Annotations})
	}
	copied, err := c.session.Commit(ctx, copied)
	if err != nil {
		return Copied{}, err
	}
	if c.attests {
		if err := c.to.Attest(copied); err != nil {
			return Copied{}, err
		}
	}
	return Copied{
		ID: s.ID, Host: s.Host, Job: s.Job, Time: s.Time, Bytes: s.Bytes,
		Read: c.read.Load() - read, Stored: c.stored.Load() - stored, Seconds: c.env.Now().Sub(began).Seconds(),
	}, nil
}

// item copies one item; the same item of two snapshots is copied once.
func (c *copier) item(ctx context.Context, it repo.Item) (ocispec.Descriptor, error) {
	source, err := repo.ParseDigest(it.Desc.Digest.String())
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	c.counted.Store(0)
	defer func() { c.env.Reporter.Add(max(0, backup.ItemStream(it)-c.counted.Load())) }()
	if desc, ok := c.known.items[source]; ok && c.stillThere(desc) {
		return desc, nil
	}
	copyItem := c.document
	if it.Desc.ArtifactType == repo.ArtifactTypeTree {
		copyItem = c.tree
	}
	desc, err := copyItem(ctx, it)
	if err == nil {
		c.known.items[source] = desc
	}
	return desc, err
}

// count tells how much of an item is done.
func (c *copier) count(plain int64) {
	c.counted.Add(plain)
	c.env.Reporter.Add(plain)
}

// stillThere tells whether the target has a manifest, and so all that it names.
func (c *copier) stillThere(desc ocispec.Descriptor) bool {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return false
	}
	b, ok := c.to.LookupBlob(d)
	return ok && b.Stored == desc.Size
}
