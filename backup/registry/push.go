package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup"
	"davit/backup/repo"
	"davit/backup/transfer"
)

// Plan is what a push will do.
type Plan struct {
	*transfer.Plan

	remote *Remote
	from   *repo.Repository
	snaps  map[string]repo.Snapshot
	unread error
}

// PlanPush decides what is to be pushed; o.To is not used. It writes nothing.
func PlanPush(ctx context.Context, o transfer.Options, to *Remote) (*Plan, error) {
	chosen, err := transfer.Choose(ctx, o)
	if err != nil {
		return nil, err
	}
	ids, err := to.snapshots(ctx)
	if err != nil {
		return nil, fmt.Errorf("list snapshots of %s: %w", to.place, err)
	}
	p := &Plan{
		Plan: &transfer.Plan{
			From: o.From.Dir(), To: to.place, Mode: transfer.ModeAsIs,
			Snapshots: []transfer.Planned{}, Refused: []backup.Refusal{}, Notes: append([]string{}, chosen.Notes...),
		},
		remote: to, from: o.From, snaps: map[string]repo.Snapshot{},
	}
	if chosen.Unreadable != nil {
		p.unread = chosen.Unreadable
	}
	if err := p.checkOwner(ctx, ids); err != nil {
		return nil, err
	}
	for _, s := range chosen.Snapshots {
		action := transfer.ActionCopy
		if slices.Contains(ids, s.ID) {
			action = transfer.ActionThere
		}
		p.snaps[s.ID] = s
		p.Snapshots = append(p.Snapshots, transfer.PlanOf(s, action))
	}
	if !o.From.Encrypted() && !o.AllowPlaintext {
		p.Refused = append(p.Refused, backup.Refusal{
			Reason: "the repository is not encrypted: whoever can pull from the registry could read the data",
			Hint:   "--allow-plaintext does it all the same; copy it into an encrypted repository first, and that one to the registry",
		})
	}
	return p, nil
}

// checkOwner refuses a place that has snapshots of another repository.
func (p *Plan) checkOwner(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	there, err := p.remote.readCard(ctx, ids[0])
	if err != nil {
		return fmt.Errorf("look at %s: %w", p.remote.place, err)
	}
	var config repo.Config
	if err := json.Unmarshal(there.files["davit/config.json"], &config); err != nil {
		return fmt.Errorf("look at %s: %w", p.remote.place, err)
	}
	if config.ID != p.from.Config().ID {
		p.Refused = append(p.Refused, backup.Refusal{
			Reason: fmt.Sprintf("%s holds snapshots of another repository, %.8s", p.remote.place, config.ID), Hint: "give each repository a name of its own",
		})
	}
	return nil
}

// pusher is one run of Push.
type pusher struct {
	remote *Remote
	from   *repo.Repository
	env    transfer.Env
	pushed map[repo.Digest]ocispec.Descriptor // manifests that are there
	blobs  atomic.Int64
	read   atomic.Int64
	stored atomic.Int64
}

// Push carries a plan out, as transfer.Apply does. It returns beside the report the tags that docker pull understands.
func Push(ctx context.Context, env transfer.Env, p *Plan) (report *transfer.Report, tags []string, err error) {
	if err := p.Err(); err != nil {
		return nil, nil, err
	}
	if env.Reporter == nil {
		env.Reporter = backup.NoReporter{}
	}
	if env.Workers <= 0 {
		env.Workers = 4
	}
	began := env.Now()
	report = &transfer.Report{From: p.From, To: p.To, Mode: p.Mode, Copied: []transfer.Copied{}, Failed: []transfer.Failure{}, There: p.Count(transfer.ActionThere)}
	c := &pusher{remote: p.remote, from: p.from, env: env, pushed: map[repo.Digest]ocispec.Descriptor{}}
	env.Reporter.Start(0, 0)
	defer env.Reporter.Done()
	errs := []error{p.unread}
	for _, s := range p.Snapshots {
		if s.Action != transfer.ActionCopy {
			continue
		}
		snapshotBegan, read, stored := env.Now(), c.read.Load(), c.stored.Load()
		names, err := c.snapshot(ctx, p.snaps[s.ID])
		var damaged *repo.DamagedError
		switch {
		case err == nil:
			tags = append(tags, names...)
			report.Copied = append(report.Copied, transfer.Copied{
				ID: s.ID, Host: s.Host, Job: s.Job, Time: s.Time, Bytes: s.Bytes,
				Read: c.read.Load() - read, Stored: c.stored.Load() - stored, Seconds: env.Now().Sub(snapshotBegan).Seconds(),
			})
			continue
		case !errors.As(err, &damaged) || ctx.Err() != nil:
			return c.sum(report, began), tags, fmt.Errorf("push snapshot %s: %w", s.ID, err)
		}
		report.Failed = append(report.Failed, transfer.Failure{ID: s.ID, Reason: err.Error()})
		errs = append(errs, fmt.Errorf("push snapshot %s: %w", s.ID, err))
	}
	return c.sum(report, began), tags, errors.Join(errs...)
}

func (c *pusher) sum(r *transfer.Report, began time.Time) *transfer.Report {
	r.Blobs, r.BytesRead, r.Stored, r.Seconds = c.blobs.Load(), c.read.Load(), c.stored.Load(), c.env.Now().Sub(began).Seconds()
	return r
}

// snapshot pushes one snapshot: what it consists of, then the card, then the index that names it.
func (c *pusher) snapshot(ctx context.Context, s repo.Snapshot) (tags []string, err error) {
	c.env.Reporter.Item(s.ID)
	w := &walk{pusher: c, seen: map[repo.Digest]bool{}}
	root := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: s.Digest.OCI(), Size: s.Size}
	if err := w.add(ctx, root, maxDepth, nil); err != nil {
		return nil, err
	}
	if tags, err = c.images(ctx, s); err != nil {
		return nil, err
	}
	files, err := c.from.Attached(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(card{Version: cardVersion, Files: files})
	if err != nil {
		return nil, err
	}
	config, err := c.putBytes(ctx, mediaTypeCard, data)
	if err != nil {
		return nil, err
	}
	if data, err = cardManifest(config, w.documents); err != nil {
		return nil, err
	}
	first, err := c.putManifest(ctx, ocispec.MediaTypeImageManifest, data, "card-"+s.ID)
	if err != nil {
		return nil, err
	}
	data, err = json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: append([]ocispec.Descriptor{first}, w.manifests...),
	})
	if err != nil {
		return nil, err
	}
	if len(data) > repo.MaxManifest {
		return nil, fmt.Errorf("%d manifests are more than a registry takes in one index", len(w.manifests))
	}
	_, err = c.putManifest(ctx, ocispec.MediaTypeImageIndex, data, s.ID)
	return tags, err
}

// putManifest pushes a manifest under a tag.
func (c *pusher) putManifest(ctx context.Context, mediaType string, data []byte, tag string) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: repo.DigestOf(data).OCI(), Size: int64(len(data))}
	if err := c.remote.client.Manifests().PushReference(ctx, desc, bytes.NewReader(data), tag); err != nil {
		return desc, fmt.Errorf("push manifest %s: %w", tag, err)
	}
	c.blobs.Add(1)
	c.stored.Add(desc.Size)
	return desc, nil
}

func (c *pusher) putBytes(ctx context.Context, mediaType string, data []byte) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: repo.DigestOf(data).OCI(), Size: int64(len(data))}
	return desc, c.putBlob(ctx, desc, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
}

// putBlob pushes a blob that the registry does not have.
func (c *pusher) putBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	there, err := c.remote.client.Blobs().Exists(ctx, desc)
	if err != nil {
		return fmt.Errorf("look for blob %s: %w", desc.Digest, err)
	}
	if there {
		return nil
	}
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	watched := &reader{Reader: body, c: c}
	err = c.remote.client.Blobs().Push(ctx, desc, watched)
	if watched.err != nil {
		return watched.err
	}
	if err != nil {
		return fmt.Errorf("push blob %s: %w", desc.Digest, err)
	}
	c.blobs.Add(1)
	c.stored.Add(desc.Size)
	return nil
}

// reader counts what is read and keeps its errors apart from those of the registry.
type reader struct {
	io.Reader
	c   *pusher
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.c.read.Add(int64(n))
	r.c.env.Reporter.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// all pushes the blobs that a manifest names, several at once.
func (c *pusher) all(ctx context.Context, list []ocispec.Descriptor) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan ocispec.Descriptor)
	var wg sync.WaitGroup
	for range min(c.env.Workers, len(list)) {
		wg.Go(func() {
			for desc := range next {
				if err := c.putStored(ctx, desc); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for _, desc := range list {
		select {
		case next <- desc:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// putStored pushes a blob of the repository.
func (c *pusher) putStored(ctx context.Context, desc ocispec.Descriptor) error {
	d, err := repo.ParseDigest(desc.Digest.String())
	if err != nil {
		return err
	}
	return c.putBlob(ctx, desc, func() (io.ReadCloser, error) {
		body, size, err := c.from.OpenBlob(ctx, d)
		if err == nil && size != desc.Size {
			err = errors.Join(&repo.DamagedError{Digest: d, Reason: fmt.Sprintf("is %d bytes long, not %d", size, desc.Size)}, body.Close())
		}
		return body, err
	})
}
