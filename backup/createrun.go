package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// What a run keeps free on the file system of the repository, so that a backup never
// takes the last of a disk that others write to.
const (
	reserveBytes  = 32 << 20
	reserveInodes = 1024
)

// createRun is one run of ApplyCreate.
type createRun struct {
	env      *Env
	plan     *CreatePlan
	session  *repo.Session
	store    treeStore
	progress *treeProgress
	holder   Holder // nil until a group has to be held
	agents   *farAgents
	report   *Report
	items    []repo.Item
	began    time.Time
	cutSeed  []byte // of big files, in an encrypted repository
}

// treeStore is what the trees of a run are written to and compared with.
type treeStore struct {
	*repo.Repository
	session *repo.Session
}

func (s treeStore) Put(ctx context.Context, id repo.ID, plainLen int64, stored []byte) (repo.Blob, error) {
	return s.session.Put(ctx, id, plainLen, stored)
}

func (s treeStore) PutBlob(ctx context.Context, data []byte) (repo.Digest, error) {
	return s.session.PutBlob(ctx, data)
}

// ApplyCreate carries a plan out and publishes the snapshot. The report is not nil also with an
// error, except when nothing was begun. Errors: *PartialError when the snapshot was published but not
// all is as it should be, *RefusedError when there is no room.
func ApplyCreate(ctx context.Context, env *Env, plan *CreatePlan) (_ *Report, err error) {
	r := &createRun{env: env, plan: plan, began: env.Now()}
	if err := errors.Join(env.Repo.CanSave(), r.checkRoom()); err != nil {
		return nil, err
	}
	if r.cutSeed, err = env.Repo.CutSeed(); err != nil {
		return nil, err
	}
	if env.CacheDir != "" {
		if err := os.MkdirAll(r.cacheFolder(), 0o700); err != nil {
			return nil, fmt.Errorf("create cache folder: %w", err)
		}
	}
	r.session, err = env.Repo.Begin(ctx, repo.SessionInfo{Host: env.Host, Job: plan.Options.Job})
	if err != nil {
		return nil, err
	}
	r.store = treeStore{env.Repo, r.session}
	r.progress = newTreeProgress(env.reporter())
	r.report = newReport(env, plan)
	defer env.reporter().Done()
	r.agents = newFarAgents(env.Agents, plan)
	err = r.saveAll(ctx)
	if err == nil {
		err = r.publish(ctx)
	}
	err = errors.Join(err, r.close())
	r.report.Seconds = env.Now().Sub(r.began).Seconds()
	if err != nil {
		return r.report, err
	}
	return r.report, r.report.err()
}

func (r *createRun) close() error {
	var err error
	if r.holder != nil {
		err = r.holder.Close()
	}
	return errors.Join(err, r.agents.close(), r.session.Close())
}

// saveAll saves every item: definitions first, since without them the rest is hard to use, then
// files, then images.
func (r *createRun) saveAll(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.saveDefinitions, r.saveTrees, r.saveImages} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// publish makes the snapshot exist. A run that saved nothing leaves none.
func (r *createRun) publish(ctx context.Context) error {
	if len(r.items) == 0 {
		return fmt.Errorf("create snapshot: no item could be saved: %s", r.report.Problems[0].text())
	}
	if err := r.session.Past(); err != nil {
		r.report.Notes = append(r.report.Notes, err.Error())
	}
	r.report.finish()
	s := repo.Snapshot{
		Time:         r.began,
		Host:         r.env.Host,
		Job:          r.plan.Options.Job,
		Consistency:  string(r.plan.Options.Consistency),
		DavitVersion: r.env.Version,
		Complete:     r.report.Complete,
		Items:        r.items,
		Summary: map[string]string{
			"files":      strconv.FormatInt(r.report.Totals.Files, 10),
			"entries":    strconv.FormatInt(r.report.Totals.Entries, 10),
			"bytes":      strconv.FormatInt(r.report.Totals.Bytes, 10),
			"bytes_read": strconv.FormatInt(r.report.Totals.BytesRead, 10),
			"bytes_new":  strconv.FormatInt(r.report.Totals.BytesNew, 10),
			"stored":     strconv.FormatInt(r.report.Totals.Stored, 10),
			"problems":   strconv.Itoa(len(r.report.Problems)),
			"seconds":    strconv.FormatFloat(r.env.Now().Sub(r.began).Seconds(), 'f', 1, 64),
		},
	}
	if r.plan.Options.RPO > 0 {
		s.Summary[summaryRPO] = r.plan.Options.RPO.String()
	}
	if tags := r.plan.Options.Tags; len(tags) > 0 {
		s.Summary[summaryTags] = joinTags(tags)
	}
	if r.plan.Engine != nil {
		s.EngineVersion = r.plan.Engine.Version
	}
	published, err := r.session.Commit(ctx, s)
	r.report.Snapshot = published.ID
	if err != nil {
		return err
	}
	if err := cacheImages(r.env, r.items); err != nil {
		r.report.Notes = append(r.report.Notes, err.Error()+"; the next run exports images again")
	}
	return nil
}

// checkRoom refuses to begin, or to go on, when the repository's disk is nearly full.
func (r *createRun) checkRoom() error { return CheckRoom(r.env.Repo, "create") }

// fail notes that an item could not be saved. An error that ends the whole run is given back.
func (r *createRun) fail(ctx context.Context, it *PlannedItem, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, fatal := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, fatal) {
			return fmt.Errorf("save %s: %w", it.Ref(), err)
		}
	}
	r.report.add(ItemReport{Kind: it.Kind, Name: it.Name})
	r.report.problem(Problem{Item: it.Ref(), Reason: err.Error()})
	return nil
}

// newSaver makes a saver for the passes of one tree.
func (r *createRun) newSaver(progress chunk.Progress) *chunk.Saver {
	c := r.env.Repo.Config().Chunker
	return chunk.NewSaver(r.store, chunk.Options{
		Params: chunk.Params{
			RunTarget: c.RunTarget, MinChunk: int(c.CDCMin), AvgChunk: int(c.CDCAvg), MaxChunk: int(c.CDCMax),
		},
		GearSeed: r.cutSeed,
		Level:    r.plan.Options.Compression.level(),
		Now:      r.env.Now,
		Progress: progress,
	})
}
