package verified

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"davit/backup/repo"
)

// Blobs are distinct blobs with their stored sizes.
type Blobs struct {
	Sizes map[repo.Digest]int64
	Bytes int64 // sum
}

// Add adds a blob; one that is known already is not counted again.
func (b *Blobs) Add(d repo.Digest, size int64) {
	if _, ok := b.Sizes[d]; ok {
		return
	}
	if b.Sizes == nil {
		b.Sizes = make(map[repo.Digest]int64)
	}
	b.Sizes[d] = size
	b.Bytes += size
}

// Plan is what a run reads.
type Plan struct {
	Read  map[repo.Digest]struct{}
	Bytes int64     // of Read
	Since time.Time // when the run began that this one goes on with; zero: it begins
}

// choose fills in what a run reads now.
func (l *Log) choose(plan *Plan, run Run, now time.Time, blobs *Blobs) {
	plan.Read = make(map[repo.Digest]struct{})
	take := func(d repo.Digest) {
		plan.Read[d] = struct{}{}
		plan.Bytes += blobs.Sizes[d]
	}
	for text := range l.head.Damaged {
		d, err := repo.ParseDigest(text)
		if _, ok := blobs.Sizes[d]; ok && err == nil {
			take(d)
		}
	}
	left, until := run.Target, now.UnixNano()+1
	if !plan.Since.IsZero() {
		until = run.Begun.UnixNano()
		left -= int64(All) * l.readSince(run.Begun, blobs)
	}
	for _, b := range l.due(now, until, blobs) {
		if run.Target >= 0 && left <= 0 {
			return
		}
		if _, damaged := plan.Read[b.digest]; damaged {
			continue
		}
		take(b.digest)
		left -= int64(All) * blobs.Sizes[b.digest]
	}
}

type dueBlob struct {
	digest repo.Digest
	at     int64 // 0: never
}

// due is the blobs that were not read since a moment, in the order in which they were.
func (l *Log) due(now time.Time, until int64, blobs *Blobs) []dueBlob {
	list := make([]dueBlob, 0, len(blobs.Sizes))
	for d := range blobs.Sizes {
		if at := l.when(d, now); at < until {
			list = append(list, dueBlob{d, at})
		}
	}
	slices.SortFunc(list, func(a, b dueBlob) int {
		return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.digest[:], b.digest[:]))
	})
	return list
}
