package job

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"davit/backup/hook"
	"davit/backup/transfer"
)

// copy copies what each of the job's other repositories lacks of this host and job. One that cannot be reached does not
// keep the others from getting it.
func (r *run) copy(ctx context.Context) (string, error) {
	var done []string
	var errs []error
	for _, name := range r.job.Copy.To {
		began := r.env.Now()
		rec := CopyRecord{To: name}
		report, err := r.copyTo(ctx, r.config.Repositories[name])
		if report != nil {
			rec.Snapshots, rec.Stored = len(report.Copied), report.Stored
			done = append(done, fmt.Sprintf("%s to %s", plural(rec.Snapshots, "snapshot"), name))
		}
		if err != nil {
			rec.Error = cut(err.Error())
			errs = append(errs, fmt.Errorf("to %s: %w", name, err))
		}
		rec.Seconds = r.env.Now().Sub(began).Seconds()
		r.record.Copies = append(r.record.Copies, rec)
	}
	return strings.Join(done, ", "), errors.Join(errs...)
}

func (r *run) copyTo(ctx context.Context, to *Repository) (*transfer.Report, error) {
	target, closeTarget, err := r.env.Open(ctx, to, false, func(hook.Result) {})
	if err != nil {
		return nil, err
	}
	defer closeTarget()
	plan, err := transfer.NewPlan(ctx, transfer.Options{
		From: r.backup.Repo, To: target.Repo, Host: r.env.Host, Self: r.env.Host, Job: r.job.Name, Newer: true,
		AllowPlaintext: r.job.Copy.AllowPlaintext,
	})
	if err != nil {
		return nil, err
	}
	return transfer.Apply(ctx, transfer.Env{Now: r.env.Now, Reporter: r.backup.Reporter}, plan)
}
