package job

import (
	"context"
	"fmt"
	"time"

	"davit/backup"
	"davit/backup/repo"
)

// after does the steps in order. Without a snapshot none is done, and what follows a step that fails is left
// out: snapshots are not forgotten when the new one may be damaged.
func (r *run) after(ctx context.Context) {
	skip := r.record.Snapshot == "" || ctx.Err() != nil
	for _, step := range r.job.After {
		rec := StepRecord{Step: step, Skipped: skip}
		if !skip {
			began := r.env.Now()
			detail, err := r.step(ctx, step)
			rec.Detail, rec.Seconds = detail, r.env.Now().Sub(began).Seconds()
			if err != nil {
				rec.Error, skip = cut(err.Error()), true
				r.fail(ctx, fmt.Errorf("%s: %w", step, err))
			}
		}
		r.record.Steps = append(r.record.Steps, rec)
	}
}

func (r *run) step(ctx context.Context, step Step) (detail string, err error) {
	switch step {
	case StepVerify, StepVerifyData:
		return r.verify(ctx, step == StepVerifyData)
	case StepForget:
		return r.forget(ctx)
	case StepCopy:
		return r.copy(ctx)
	case StepDrill:
		return r.drill(ctx)
	case StepGC:
		result, err := r.backup.Repo.GC(ctx, repo.GCOptions{Grace: repo.DefaultGrace})
		return fmt.Sprintf("condemned %s, removed %s", plural(result.Condemned.Blobs, "blob"), plural(result.Removed.Blobs, "blob")), err
	}
	return "", fmt.Errorf("unknown step %q", step)
}

func (r *run) verify(ctx context.Context, data bool) (string, error) {
	o := backup.VerifyOptions{Spec: r.record.Snapshot, ReadData: data, Remember: data}
	if sample := r.job.Verify.Sample.Share; data && sample > 0 {
		o.Spec, o.Sample = "", sample
	}
	report, err := backup.Verify(ctx, r.backup, o)
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("checked %s", plural(report.Blobs, "blob"))
	if d := report.Data; d != nil && d.Blobs > 0 {
		detail += fmt.Sprintf(", %d of %d of them read since %s", d.ReadBlobs, d.Blobs, d.Since.Format(time.DateOnly))
	}
	return detail, report.Err()
}

func (r *run) forget(ctx context.Context) (string, error) {
	plan, err := backup.PlanForget(ctx, r.backup, backup.ForgetOptions{
		Policy: r.job.Retention.policy(), Host: r.env.Host, Job: r.job.Name,
	})
	if err != nil {
		return "", err
	}
	gone, err := backup.ApplyForget(ctx, r.backup, plan)
	return plural(len(gone), "snapshot") + " forgotten", err
}

// unprotected counts the volumes of this host that are in no snapshot of it, -1 when that cannot be told.
func (r *run) unprotected(ctx context.Context) int {
	if r.backup == nil || r.backup.Engine == nil {
		return -1
	}
	records, err := r.history.List()
	r.warn(err)
	report, err := Status(ctx, StatusInput{
		History: append([]*Record{r.record}, records...),
		Host:    r.env.Host, Now: r.env.Now(), Config: r.config, Engine: r.backup.Engine,
		Repositories: ReadRepositories(ctx, r.config, r.env.Snapshots),
	})
	if err != nil {
		r.warn(err)
		return -1
	}
	n := 0
	for _, h := range report.Hosts {
		for _, v := range h.Volumes {
			if v.State == StateUnprotected {
				n++
			}
		}
	}
	return n
}
