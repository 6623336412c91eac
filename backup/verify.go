package backup

import (
	"context"
	"errors"
	"fmt"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/backup/repo/storage"
	"davit/backup/verified"
)

// Verify checks that every blob that a ref leads to is there and is what it should be: with ReadData by
// reading and decoding all of them, else by name and length, manifests and catalogs by content. Damage is in
// the report, and in its Err; an error means that not all could be looked at.
func Verify(ctx context.Context, env *Env, o VerifyOptions) (*VerifyReport, error) {
	begin := env.Now()
	ctx = storage.Fresh(ctx) // what is cached here proves nothing
	if err := o.check(); err != nil {
		return nil, err
	}
	v := &verifyRun{
		env: env, options: o, counter: newBlobCounter(env.Repo, env.reporter()),
		report: &VerifyReport{Damaged: []DamagedBlob{}, Notes: []string{}},
		seen:   map[string][]itemDamage{}, byDigest: map[string]int{},
	}
	if err := errors.Join(env.Repo.NeedKey(), env.Repo.CheckHeads()); err != nil {
		return nil, err
	}
	defer env.reporter().Done()
	snapshots, err := v.selected(ctx)
	if err != nil {
		return nil, err
	}
	if v.counter.size, err = env.Repo.Sizes(ctx); err != nil {
		return nil, err
	}
	if err := v.read(ctx, snapshots); err != nil {
		return nil, err
	}
	if err := v.files(ctx); err != nil {
		return nil, err
	}
	for _, p := range env.Repo.IndexProblems() {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("index file %s is damaged: %v; what only it knew is stored again by the next backup", p.File, p.Err))
	}
	v.report.Blobs, v.report.BytesRead = v.counter.totals()
	v.report.Seconds = env.Now().Sub(begin).Seconds()
	v.remember()
	if err := v.attest(snapshots); err != nil {
		return v.report, err
	}
	if v.report.Err() == nil {
		return v.report, env.Repo.RememberHeads()
	}
	return v.report, nil
}

func (o VerifyOptions) check() error {
	switch {
	case o.Attest && (!o.ReadData || o.Sample != 0):
		return &UsageError{Reason: "only what was read can be attested", Hint: "--attest goes with --read-data, and without --sample"}
	case o.Sample != 0 && !o.ReadData:
		return &UsageError{Reason: "a sample is of what is read", Hint: "--sample goes with --read-data"}
	case o.Sample != 0 && o.Spec != "":
		return &UsageError{Reason: "a sample is of all snapshots", Hint: "leave out " + o.Spec + ", or --sample"}
	}
	return nil
}

// read looks at all items of the snapshots, and reads of their data what is to be read.
func (v *verifyRun) read(ctx context.Context, snapshots []repo.Snapshot) (err error) {
	if v.chunks, err = chunk.NewVerifier(v.counter); err != nil {
		return err
	}
	defer v.chunks.Close()
	var plan verified.Plan
	if v.options.ReadData {
		if plan, err = v.planData(ctx, snapshots); err != nil {
			return err
		}
	}
	v.env.reporter().Start(plan.Bytes, 0)
	for _, s := range snapshots {
		if err := v.snapshot(ctx, s); err != nil {
			if v.data != nil {
				err = errors.Join(err, v.data.log.Save())
			}
			return err
		}
	}
	if v.data == nil {
		return nil
	}
	if err := v.others(ctx); err != nil {
		return errors.Join(err, v.data.log.Save())
	}
	v.finishData(plan)
	return nil
}

// planData decides what is read.
func (v *verifyRun) planData(ctx context.Context, snapshots []repo.Snapshot) (plan verified.Plan, err error) {
	blobs, err := v.readable(ctx, snapshots)
	if err != nil {
		return plan, err
	}
	log := verified.Empty()
	if v.options.Remember {
		if log, err = openLog(v.env); err != nil {
			return plan, err
		}
	}
	share := v.options.Sample
	if share == 0 {
		share = verified.All
	}
	plan = log.Begin(v.env.Now(), v.options.Spec, share, v.options.Attest, blobs)
	v.data = newDataReader(v.env, log, blobs, plan)
	v.counter.quiet = true
	return plan, nil
}

// finishData ends what planData began.
func (v *verifyRun) finishData(plan verified.Plan) {
	v.data.finish(v.options.Spec)
	if err := v.data.log.Save(); err != nil {
		v.report.Notes = append(v.report.Notes, err.Error())
	}
	if v.options.Remember {
		v.report.Data = &VerifiedData{Summary: v.data.log.Summary(v.env.Now(), v.data.blobs), Continued: plan.Since}
	}
}

// remember notes how a run of all snapshots ended.
func (v *verifyRun) remember() {
	if !v.options.Remember || v.options.Spec != "" {
		return
	}
	var log *verified.Log
	var err error
	if v.data != nil {
		log = v.data.log
	} else {
		log, err = openLog(v.env)
	}
	if err == nil {
		log.Ended(verified.Last{Time: v.env.Now().UTC(), Data: v.data != nil, Damaged: len(v.report.Damaged)})
		err = log.Save()
	}
	if err != nil {
		v.report.Notes = append(v.report.Notes, err.Error())
	}
}

// LastVerified tells when all of a repository was last verified from this machine; nil is never.
func LastVerified(env *Env) (*verified.Last, error) {
	log, err := openLog(env)
	if err != nil {
		return nil, err
	}
	return log.Last(), nil
}

// files looks into what is no blob.
func (v *verifyRun) files(ctx context.Context) error {
	if v.options.Spec != "" {
		return nil
	}
	problems, err := v.env.Repo.CheckFiles(ctx)
	for _, p := range problems {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("%s: %v", p.File, p.Err))
	}
	return err
}

// attest vouches for the snapshots that were read whole and are good.
func (v *verifyRun) attest(snapshots []repo.Snapshot) error {
	if !v.options.Attest || v.kind != "" {
		return nil
	}
	damaged := map[string]bool{}
	for _, d := range v.report.Damaged {
		for _, hit := range d.Hits {
			damaged[hit.Snapshot] = true
		}
	}
	for _, s := range snapshots {
		if damaged[s.ID] {
			continue
		}
		if err := v.env.Repo.Attest(s); err != nil {
			return err
		}
	}
	return nil
}

// verifyRun is one run of Verify.
type verifyRun struct {
	env      *Env
	options  VerifyOptions
	counter  *blobCounter
	report   *VerifyReport
	chunks   *chunk.Verifier
	data     *dataReader             // nil: no data is read
	seen     map[string][]itemDamage // what is wrong with an item, by itemKey
	byDigest map[string]int          // index into report.Damaged

	kind, name string // the only item that is meant; "" is all
}

// selected finds the snapshots that are meant, and one item where only that is.
func (v *verifyRun) selected(ctx context.Context) ([]repo.Snapshot, error) {
	if v.options.Spec == "" {
		return v.all(ctx)
	}
	ref, err := ParseItemRef(v.options.Spec)
	if err != nil {
		return nil, err
	}
	if ref.Path != "" {
		return nil, &UsageError{Reason: "verify takes a snapshot or an item, not a path inside one"}
	}
	s, err := find(ctx, v.env, ref, Query{})
	if err != nil {
		return nil, err
	}
	if v.kind, v.name = ref.Kind, ref.Name; ref.Kind != "" {
		if _, ok := s.Find(ref.Kind, ref.Name); !ok {
			return nil, noSuchItem(s, ref.Kind, ref.Name)
		}
	}
	return []repo.Snapshot{s}, nil
}

func (v *verifyRun) wanted(it repo.Item) bool {
	return v.kind == "" || it.Kind == v.kind && it.Name == v.name
}

// all lists every snapshot; those that cannot be read are damage.
func (v *verifyRun) all(ctx context.Context) ([]repo.Snapshot, error) {
	list, err := v.env.Repo.Snapshots(ctx)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	if unreadable != nil {
		for _, p := range unreadable.Problems {
			d := itemDamage{reason: p.Err.Error()}
			var damaged *repo.DamagedError
			if errors.As(p.Err, &damaged) {
				d = itemDamage{digest: damaged.Digest.String(), reason: damaged.Reason}
			}
			v.hit(d, p.ID, "")
		}
		v.report.Snapshots += len(unreadable.Problems)
	}
	return list, nil
}
