package backup

import (
	"context"
	"errors"
	"strconv"
	"time"

	"davit/backup/repo"
)

// List returns the snapshots of a repository, newest first. Snapshots that cannot be read are left
// out and named by a *repo.UnreadableError beside the list.
func List(ctx context.Context, r *repo.Repository, q Query) ([]SnapshotInfo, error) {
	snapshots, err := r.Snapshots(ctx)
	var unreadable *repo.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	list := []SnapshotInfo{}
	for _, s := range snapshots {
		if (q.Host == "" || q.Host == s.Host) && (q.Job == "" || q.Job == s.Job) && HasTags(s, q.Tags) {
			list = append(list, snapshotInfo(s))
		}
	}
	return list, err
}

func snapshotInfo(s repo.Snapshot) SnapshotInfo {
	info := SnapshotInfo{
		ID: s.ID, Time: s.Time, Host: s.Host, Job: s.Job, Complete: s.Complete,
		Consistency: s.Consistency, Engine: s.EngineVersion, Davit: s.DavitVersion,
		Items: map[string]int{}, Tags: Tags(s),
		Files: summaryNumber(s, "files"), Bytes: SnapshotBytes(s),
	}
	for _, it := range s.Items {
		info.Items[it.Kind]++
	}
	if s.Sealed() {
		info.Items[Sealed] = s.ItemCount()
	}
	return info
}

// RPO is how old the newest snapshot of a job may be, as this one says; 0 when nobody said.
func RPO(s repo.Snapshot) time.Duration {
	rpo, err := time.ParseDuration(s.Summary[summaryRPO])
	if err != nil {
		return 0
	}
	return rpo
}

// ItemProblems counts the files of an item that were missing or marked when it was saved.
func ItemProblems(it repo.Item) int { return int(annotatedNumber(it, annProblems, 0)) }

// ItemStream is about how many bytes a restore of an item writes.
func ItemStream(it repo.Item) int64 {
	return annotatedNumber(it, annStream, annotatedNumber(it, annBytes, 0))
}

// summaryRPO is how old the newest snapshot of a job may be, in the summary of a snapshot.
const summaryRPO = "rpo"

// SnapshotBytes is the size of the files of a snapshot, which it tells also without a key.
func SnapshotBytes(s repo.Snapshot) int64 { return summaryNumber(s, "bytes") }

func summaryNumber(s repo.Snapshot, key string) int64 {
	n, err := strconv.ParseInt(s.Summary[key], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
