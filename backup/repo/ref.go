package repo

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"davit/backup/repo/storage"
)

const (
	refVersion    = 1
	refSuffix     = ".json"
	snapshotIDLen = 8 // bytes; twice as many digits
)

// ref is the content of davit/refs/<snapshot id>.json: the one thing that makes
// blobs a snapshot. Keys this version does not know are left alone.
type ref struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"`
	Host     string    `json:"host"`
	Job      string    `json:"job"`
	Time     time.Time `json:"time"`
	Digest   string    `json:"digest"`
	Size     int64     `json:"size"`
	Sequence int64     `json:"sequence"` // one more than the host's previous
	Previous string    `json:"previous"` // that snapshot's id, or ""
	GCSeen   string    `json:"gcSeen"`
	Config   string    `json:"config,omitempty"` // SHA-256 of the config; refs of before have none

	Signature *signature `json:"signature,omitempty"` // in encrypted repositories
}

func isSnapshotID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == snapshotIDLen && strings.ToLower(s) == s
}

// decodeRef reads the ref that a file is named after.
func decodeRef(id string, data []byte) (ref, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return ref{}, fmt.Errorf("decode ref: %w", err)
	}
	if head.Version > refVersion {
		return ref{}, &NewerFormatError{Version: head.Version}
	}
	var f ref
	if err := json.Unmarshal(data, &f); err != nil {
		return ref{}, fmt.Errorf("decode ref: %w", err)
	}
	switch _, err := ParseDigest(f.Digest); {
	case f.Version != refVersion:
		return ref{}, fmt.Errorf("decode ref: unknown version %d", f.Version)
	case f.ID != id || !isSnapshotID(id):
		return ref{}, fmt.Errorf("decode ref: names snapshot %q", f.ID)
	case err != nil:
		return ref{}, fmt.Errorf("decode ref: %w", err)
	case f.Size <= 0 || f.Size > MaxManifest:
		return ref{}, fmt.Errorf("decode ref: snapshot of %d bytes", f.Size)
	}
	return f, nil
}

// refs reads all refs. What does not decode is a problem and no error.
func (r *Repository) refs(ctx context.Context) (good []ref, bad []SnapshotProblem, err error) {
	docs, err := r.documents(ctx, refDir, refSuffix, isSnapshotID)
	if err != nil {
		return nil, nil, fmt.Errorf("list refs: %w", err)
	}
	for _, doc := range docs {
		id, err := doc.name, doc.err
		var f ref
		if err == nil {
			f, err = decodeRef(id, doc.data)
		}
		if err == nil {
			err = sumIsRight(doc.data)
		}
		if err == nil {
			err = r.verifyRef(f)
		}
		if err != nil {
			bad = append(bad, SnapshotProblem{ID: id, Err: err})
			continue
		}
		good = append(good, f)
	}
	return good, bad, nil
}

func newRef(snap Snapshot) ref {
	return ref{
		Version: refVersion, ID: snap.ID, Host: snap.Host, Job: snap.Job, Time: snap.Time,
		Digest: snap.Digest.String(), Size: snap.Size,
	}
}

// numberRef makes a ref the next in its host's sequence. It returns the newest snapshot of each host, this one among them.
func (r *Repository) numberRef(ctx context.Context, f *ref) (map[string]Head, error) {
	refs, forgotten, err := r.refsEver(ctx)
	if err != nil {
		return nil, err
	}
	f.Sequence, f.Previous = 1, ""
	seen, err := r.seenHeads()
	if err != nil {
		return nil, err
	}
	if head, ok := seen[f.Host]; ok { // a number is not used again, though somebody took its snapshot away
		f.Sequence, f.Previous = head.Sequence+1, head.ID
	}
	all := append(refs, forgotten...)
	for i, other := range all {
		if other.ID == f.ID {
			return nil, &ExistsError{ID: f.ID, Forgotten: i >= len(refs)}
		}
		if other.Host == f.Host && other.Sequence >= f.Sequence {
			f.Sequence, f.Previous = other.Sequence+1, other.ID
		}
	}
	return headsOf(append(all, *f)), nil
}

// refsEver reads the refs that there are, and those of the tombstones.
func (r *Repository) refsEver(ctx context.Context) (refs, forgotten []ref, err error) {
	err = r.together(ctx, func(ctx context.Context) (err error) {
		refs, _, err = r.refs(ctx)
		return err
	}, func(ctx context.Context) error {
		stones, _, err := r.tombstones(ctx)
		for _, t := range stones {
			forgotten = append(forgotten, t.Ref)
		}
		return err
	})
	return refs, forgotten, err
}

// putRef makes a snapshot exist. Its blobs are durable by now. Seen is the newest removal that
// was looked at; one that is there again has signed its own.
func (r *Repository) putRef(ctx context.Context, f *ref, seen int64, again bool) (err error) {
	if !again {
		if seen > 0 {
			f.GCSeen = strconv.FormatInt(seen, 10)
		}
		if f.Config, err = r.config.sum(); err != nil {
			return err
		}
		if f.Signature, err = r.signRef(f); err != nil {
			return err
		}
	}
	return r.writeRef(ctx, *f)
}

func (r *Repository) writeRef(ctx context.Context, f ref) error {
	data, err := encodeChecked(f)
	if err != nil {
		return err
	}
	return r.store.Put(storage.Caching(ctx), refDir+"/"+f.ID+refSuffix, data) // index.json is made of it at once
}

// removeRef makes a snapshot cease to exist.
func (r *Repository) removeRef(ctx context.Context, id string) error {
	return r.store.Remove(ctx, refDir+"/"+id+refSuffix)
}
