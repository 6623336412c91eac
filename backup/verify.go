package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/archive"
	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/backup/repo/storage"
)

// Verify checks that every blob that a ref leads to is there and is what it should be: with ReadData by
// reading and decoding all of them, else by name and length, manifests and catalogs by content. Damage is in
// the report, and in its Err; an error means that not all could be looked at.
func Verify(ctx context.Context, env *Env, o VerifyOptions) (*VerifyReport, error) {
	begin := env.Now()
	ctx = storage.Fresh(ctx) // what is cached here proves nothing
	if o.Attest && !o.ReadData {
		return nil, &UsageError{Reason: "only what was read can be attested", Hint: "--attest goes with --read-data"}
	}
	v := &verifyRun{
		env: env, options: o, counter: newBlobCounter(env.Repo, env.reporter()),
		report: &VerifyReport{Damaged: []DamagedBlob{}, Notes: []string{}},
		good:   map[repo.Digest]struct{}{}, seen: map[string][]itemDamage{}, byDigest: map[string]int{},
	}
	if err := errors.Join(env.Repo.NeedKey(), env.Repo.CheckHeads()); err != nil {
		return nil, err
	}
	defer env.reporter().Done()
	snapshots, kind, name, err := v.selected(ctx)
	if err != nil {
		return nil, err
	}
	if v.counter.size, err = env.Repo.Sizes(ctx); err != nil {
		return nil, err
	}
	env.reporter().Start(v.expected(snapshots), 0)
	for _, s := range snapshots {
		if err := v.snapshot(ctx, s, kind, name); err != nil {
			return nil, err
		}
	}
	for _, p := range env.Repo.IndexProblems() {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("index file %s is damaged: %v; what only it knew is stored again by the next backup", p.File, p.Err))
	}
	v.report.Blobs, v.report.BytesRead = v.counter.totals()
	v.report.Seconds = env.Now().Sub(begin).Seconds()
	if err := v.attest(snapshots, kind); err != nil {
		return v.report, err
	}
	if v.report.Err() == nil {
		return v.report, env.Repo.RememberHeads()
	}
	return v.report, nil
}

// attest vouches for the snapshots that were read whole and are good.
func (v *verifyRun) attest(snapshots []repo.Snapshot, kind string) error {
	if !v.options.Attest || kind != "" {
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
	good     map[repo.Digest]struct{} // chunks that proved good
	seen     map[string][]itemDamage  // what is wrong with an item, by its digest
	byDigest map[string]int           // index into report.Damaged
}

// itemDamage is one damaged blob of an item.
type itemDamage struct {
	digest, reason string
	files          []string
}

// selected finds the snapshots that are meant, and one item where only that is.
func (v *verifyRun) selected(ctx context.Context) (list []repo.Snapshot, kind, name string, err error) {
	if v.options.Spec == "" {
		list, err := v.all(ctx)
		return list, "", "", err
	}
	ref, err := ParseItemRef(v.options.Spec)
	if err != nil {
		return nil, "", "", err
	}
	if ref.Path != "" {
		return nil, "", "", &UsageError{Reason: "verify takes a snapshot or an item, not a path inside one"}
	}
	s, err := find(ctx, v.env, ref, Query{})
	if err == nil && ref.Kind != "" {
		if _, ok := s.Find(ref.Kind, ref.Name); !ok {
			err = noSuchItem(s, ref.Kind, ref.Name)
		}
	}
	return []repo.Snapshot{s}, ref.Kind, ref.Name, err
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

// expected is about what a run reads: each item once, however many snapshots share it.
func (v *verifyRun) expected(snapshots []repo.Snapshot) int64 {
	if !v.options.ReadData {
		return 0
	}
	var sum int64
	counted := map[string]bool{}
	for _, s := range snapshots {
		for _, it := range s.Items {
			if d := it.Desc.Digest.String(); !counted[d] {
				counted[d] = true
				sum += ItemStream(it)
			}
		}
	}
	return sum
}

func (v *verifyRun) snapshot(ctx context.Context, s repo.Snapshot, kind, name string) error {
	v.report.Snapshots++
	for _, it := range s.Items {
		if kind != "" && (it.Kind != kind || it.Name != name) {
			continue
		}
		v.report.Items++
		v.report.Files += annotatedNumber(it, annFiles, 0)
		ref := FormatItem(it.Kind, it.Name)
		v.env.reporter().Item(s.ID + ":" + ref)
		key := it.Kind + " " + it.Desc.Digest.String()
		damage, known := v.seen[key]
		if !known {
			var err error
			if damage, err = v.item(ctx, it); err != nil {
				return fmt.Errorf("verify %s of snapshot %s: %w", ref, s.ID, err)
			}
			v.seen[key] = damage
		}
		for _, d := range damage {
			v.hit(d, s.ID, ref)
		}
	}
	return nil
}

// item checks one item and says what is wrong with it.
func (v *verifyRun) item(ctx context.Context, it repo.Item) ([]itemDamage, error) {
	if !isTree(it.Kind) {
		return v.blobs(ctx, it)
	}
	var list []itemDamage
	err := chunk.Verify(ctx, v.counter, it.Desc, v.options.ReadData, v.good, func(d chunk.Damage) {
		list = append(list, itemDamage{digest: d.Digest.String(), reason: d.Reason, files: d.Files})
	})
	return list, err
}

// blobs checks an image or a definition: manifests by content, the rest as asked.
func (v *verifyRun) blobs(ctx context.Context, it repo.Item) ([]itemDamage, error) {
	absent := map[string]bool{}
	if img, err := archive.ParseItem(it.Desc, it.Annotations); err == nil {
		for _, d := range img.Absent {
			absent[d] = true
		}
	}
	var list []itemDamage
	items := itemCounter{v.counter, v.env.Repo.NewItemReader()}
	desc, err := items.open(ctx, it.Desc)
	if err == nil {
		err = walkImage(ctx, items, desc, func(desc ocispec.Descriptor) error {
			if absent[desc.Digest.String()] {
				return errSkipBlob
			}
			err := v.blob(ctx, items, desc)
			var damaged *repo.DamagedError
			if errors.As(err, &damaged) {
				list = append(list, itemDamage{digest: damaged.Digest.String(), reason: damaged.Reason})
				return errSkipBlob
			}
			return err
		})
	}
	var damaged *repo.DamagedError
	if errors.As(err, &damaged) {
		return append(list, itemDamage{digest: damaged.Digest.String(), reason: damaged.Reason}), nil
	}
	return list, err
}

// hit files a damaged blob under its digest.
func (v *verifyRun) hit(d itemDamage, snapshot, item string) {
	key := d.digest
	if key == "" {
		key = snapshot + " " + d.reason
	}
	i, ok := v.byDigest[key]
	if !ok {
		i = len(v.report.Damaged)
		v.byDigest[key] = i
		v.report.Damaged = append(v.report.Damaged, DamagedBlob{Digest: d.digest, Reason: d.reason, Hits: []Hit{}})
	}
	blob := &v.report.Damaged[i]
	h := slices.IndexFunc(blob.Hits, func(h Hit) bool { return h.Snapshot == snapshot && h.Item == item })
	if h < 0 {
		h = len(blob.Hits)
		blob.Hits = append(blob.Hits, Hit{Snapshot: snapshot, Item: item})
	}
	for _, file := range d.files {
		switch {
		case slices.Contains(blob.Hits[h].Files, file):
		case len(blob.Hits[h].Files) < MaxHitFiles:
			blob.Hits[h].Files = append(blob.Hits[h].Files, file)
		default:
			blob.Hits[h].More++
		}
	}
	slices.SortFunc(blob.Hits[h].Files, strings.Compare)
}
