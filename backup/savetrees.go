package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// saveTrees saves the items that hold files: group by group, then those that nobody is held for.
func (r *createRun) saveTrees(ctx context.Context) error {
	var single []*PlannedItem
	groups := make([][]*PlannedItem, len(r.plan.Groups))
	for i := range r.plan.Items {
		it := &r.plan.Items[i]
		switch {
		case !isTree(it.Kind):
		case it.Failure != "":
			if err := r.fail(ctx, it, errors.New(it.Failure)); err != nil {
				return err
			}
		case it.Group >= 0:
			groups[it.Group] = append(groups[it.Group], it)
		default:
			single = append(single, it)
		}
	}
	for i := range groups {
		if err := r.saveGroup(ctx, &r.plan.Groups[i], groups[i]); err != nil {
			return err
		}
	}
	for _, it := range single {
		if err := r.saveSingle(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

// saveSingle saves an item in one pass.
func (r *createRun) saveSingle(ctx context.Context, it *PlannedItem) (err error) {
	if err := r.checkRoom(); err != nil {
		return err
	}
	r.env.reporter().Item(it.Ref())
	begin := r.env.Now()
	t, err := r.openTree(ctx, it)
	if err != nil {
		return r.fail(ctx, it, err)
	}
	defer func() { err = errors.Join(err, t.close(ctx)) }()
	if err := t.save(ctx, r.newSaver(r.progress), t.firstOptions(false, &r.plan.Options)); err != nil {
		return r.fail(ctx, it, err)
	}
	return r.finishTree(ctx, t, r.env.Now().Sub(begin))
}

// finishTree makes a tree's last result an item of the snapshot.
func (r *createRun) finishTree(ctx context.Context, t *tree, took time.Duration) error {
	desc, err := repo.BuildTreeItem(ctx, r.store, t.result.Parts, nil)
	if err != nil {
		return r.fail(ctx, t.item, err)
	}
	rep := r.treeReport(t, took)
	problems := r.treeProblems(t)
	stats := t.result.Stats
	a := annotator{}
	a.text(annSource, t.item.Source)
	a.text(annFile, t.item.file)
	a.number(annFiles, stats.Files)
	a.number(annEntries, stats.Entries)
	a.number(annBytes, stats.Bytes)
	a.number(annStream, stats.PlainBytes)
	a.number(annProblems, int64(problems))
	a.flag(annConsistent, rep.Consistent)
	a[annConsistency] = string(rep.Consistency)
	r.items = append(r.items, repo.Item{Kind: t.item.Kind, Name: t.item.Name, Desc: desc, Annotations: a})
	r.report.add(rep)
	if err := t.cache.Save(problems == 0); err != nil {
		r.report.Notes = append(r.report.Notes, err.Error()+"; the next run reads everything")
	}
	return nil
}

func (r *createRun) treeReport(t *tree, took time.Duration) ItemReport {
	stats := t.result.Stats
	rep := ItemReport{
		Kind: t.item.Kind, Name: t.item.Name, Saved: true, Consistency: t.item.Consistency,
		Consistent: t.unsettled == "" && (t.item.Consistency != ConsistencyLive || len(t.item.Containers) == 0),
		Files:      stats.Files, Entries: stats.Entries, Bytes: stats.Bytes, BytesRead: t.read,
		BytesNew: t.stored.NewBytes, Stored: t.stored.StoredBytes, Seconds: took.Seconds(),
	}
	rep.Via = t.via
	if t.pending != nil || t.via == ViaSnapshot {
		rep.Passes = t.passes - 1
	}
	if t.unsettled != "" {
		rep.Consistency = ConsistencyLive
	}
	return rep
}

// treeProblems reports what a tree lacks, and returns how much that is. Sockets and mounts that
// are not entered are worth a note, no more.
func (r *createRun) treeProblems(t *tree) int {
	count := 0
	ref := t.item.Ref()
	sockets := 0
	for _, p := range t.problems() {
		if p.Harmless() {
			sockets++
			continue
		}
		count++
		reason := string(p.Kind) + " while it was read"
		switch p.Kind {
		case chunk.Unreadable:
			reason = "unreadable"
		case chunk.Silent:
			reason = "silent change"
		}
		if p.Reason != "" {
			reason += ": " + p.Reason
		}
		r.report.problem(Problem{Item: ref, Path: p.Path, Reason: reason})
	}
	if sockets > 0 {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("%s: %d %s only noted: programs make their own",
			ref, sockets, plural(sockets, "socket is", "sockets are")))
	}
	for _, path := range slices.Sorted(maps.Keys(t.notEntered)) {
		r.report.Skipped = append(r.report.Skipped, Skipped{
			Kind: t.item.Kind, Name: t.item.Name + "//" + path, Reason: t.notEntered[path],
		})
	}
	if t.unsettled != "" {
		count++
		r.report.problem(Problem{Item: ref, Reason: "not consistent: " + t.unsettled})
	}
	return count
}
