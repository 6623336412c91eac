package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// itemDamage is one damaged blob of an item.
type itemDamage struct {
	digest, reason string
	files          []string
}

func (v *verifyRun) snapshot(ctx context.Context, s repo.Snapshot) error {
	v.report.Snapshots++
	for _, it := range s.Items {
		if !v.wanted(it) {
			continue
		}
		v.report.Items++
		v.report.Files += annotatedNumber(it, annFiles, 0)
		ref := FormatItem(it.Kind, it.Name)
		v.env.reporter().Item(s.ID + ":" + ref)
		damage, known := v.seen[itemKey(it)]
		if !known {
			var err error
			if damage, err = v.item(ctx, it); err != nil {
				return fmt.Errorf("verify %s of snapshot %s: %w", ref, s.ID, err)
			}
			v.seen[itemKey(it)] = damage
		}
		for _, d := range damage {
			v.hit(d, s.ID, ref)
		}
	}
	return nil
}

// item checks one item and says what is wrong with it.
func (v *verifyRun) item(ctx context.Context, it repo.Item) ([]itemDamage, error) {
	var look chunk.Look
	wait := func() error { return nil }
	if v.data != nil {
		look, wait = v.data.item(ctx)
	}
	found := &damageList{}
	check := v.image
	if isTree(it.Kind) {
		check = v.tree
	}
	err := check(ctx, it, look, found)
	// What one of several readers met is the reason why the others were told to stop.
	if readErr := wait(); readErr != nil {
		err = readErr
	}
	return found.list, err
}

// damageList is filled by several goroutines.
type damageList struct {
	mu   sync.Mutex
	list []itemDamage
}

func (l *damageList) add(d itemDamage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, d)
}

func (v *verifyRun) tree(ctx context.Context, it repo.Item, look chunk.Look, found *damageList) error {
	return v.chunks.Item(ctx, it.Desc, look, func(d chunk.Damage) {
		found.add(itemDamage{digest: d.Digest.String(), reason: d.Reason, files: d.Files})
	})
}

// image checks an image or a definition: manifests by content, the rest as asked.
func (v *verifyRun) image(ctx context.Context, it repo.Item, look chunk.Look, found *damageList) error {
	absent := absentBlobs(it)
	items := itemCounter{v.counter, v.env.Repo.NewItemReader()}
	tell := func(err error) (told bool) {
		var damaged *repo.DamagedError
		if told = errors.As(err, &damaged); told {
			found.add(itemDamage{digest: damaged.Digest.String(), reason: damaged.Reason})
		}
		return told
	}
	desc, err := items.open(ctx, it.Desc)
	if err == nil {
		err = walkImage(ctx, items, desc, func(desc ocispec.Descriptor) error {
			if absent[desc.Digest.String()] {
				return errSkipBlob
			}
			err := v.blob(ctx, items, desc, look, func(reason string) {
				if d, err := repo.ParseDigest(desc.Digest.String()); err == nil {
					found.add(itemDamage{digest: items.StoredDigest(d).String(), reason: reason})
				}
			})
			if tell(err) {
				return errSkipBlob
			}
			return err
		})
	}
	if tell(err) {
		return nil
	}
	return err
}

// others reads the blobs that are to be read and that no item has led to.
func (v *verifyRun) others(ctx context.Context) error {
	look, wait := v.data.item(ctx)
	var err error
	for _, d := range v.data.unread() {
		_, ok, sizeErr := v.counter.size(ctx, d)
		if err = sizeErr; err != nil {
			break
		}
		if !ok {
			continue // whoever needs it has told, or nobody does
		}
		err = look(d, layerRoom, func(ctx context.Context) (string, error) { return v.readWhole(ctx, d) }, func(reason string) {
			v.blobOf(itemDamage{digest: d.String(), reason: reason})
		})
		if err != nil {
			break
		}
	}
	if readErr := wait(); readErr != nil {
		err = readErr
	}
	return err
}

// readWhole compares a blob with its digest. One that is gone since it was listed nobody needs.
func (v *verifyRun) readWhole(ctx context.Context, d repo.Digest) (reason string, err error) {
	stream, _, err := v.env.Repo.OpenBlob(ctx, d)
	if err == nil {
		_, err = io.Copy(io.Discard, &countingReader{r: stream, add: v.counter.read})
		closing(stream, &err)
	}
	if damaged := (*repo.DamagedError)(nil); errors.As(err, &damaged) {
		_, ok, err := v.env.Repo.HasFile(ctx, d)
		if !ok {
			return "", err
		}
		return damaged.Reason, nil
	}
	return "", err
}

// hit files a damaged blob under its digest.
func (v *verifyRun) hit(d itemDamage, snapshot, item string) {
	if d.digest == "" {
		v.report.Damaged = append(v.report.Damaged, DamagedBlob{Reason: d.reason, Hits: []Hit{{Snapshot: snapshot, Item: item}}})
		return
	}
	blob := v.blobOf(d)
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

// blobOf is where the report tells of a damaged blob.
func (v *verifyRun) blobOf(d itemDamage) *DamagedBlob {
	i, ok := v.byDigest[d.digest]
	if !ok {
		i = len(v.report.Damaged)
		v.byDigest[d.digest] = i
		v.report.Damaged = append(v.report.Damaged, DamagedBlob{Digest: d.digest, Reason: d.reason, Hits: []Hit{}})
	}
	return &v.report.Damaged[i]
}
