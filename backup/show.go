package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"davit/backup/archive"
	"davit/backup/repo"
)

// Show returns one snapshot with its items.
func Show(ctx context.Context, env *Env, o ShowOptions) (*SnapshotDetail, error) {
	ref, err := ParseItemRef(o.Spec)
	if err != nil {
		return nil, err
	}
	if ref.Path != "" {
		return nil, &UsageError{Reason: fmt.Sprintf("%s names a path inside an item", o.Spec), Hint: "davit backup files lists those"}
	}
	snap, err := find(ctx, env, ref, o.Query)
	if err != nil {
		return nil, err
	}
	detail := &SnapshotDetail{SnapshotInfo: snapshotInfo(snap), Contents: []ItemInfo{}}
	if ref.Kind == "" {
		for _, it := range snap.Items {
			detail.Contents = append(detail.Contents, itemInfo(it))
		}
		return detail, nil
	}
	it, ok := snap.Find(ref.Kind, ref.Name)
	if !ok {
		return nil, noSuchItem(snap, ref.Kind, ref.Name)
	}
	info := itemInfo(it)
	if !isTree(it.Kind) && it.Kind != KindImage {
		if info.Document, err = showDefinition(ctx, env.Repo, it, o.Secrets); err != nil {
			return nil, fmt.Errorf("read %s: %w", info.Ref(), err)
		}
	}
	detail.Contents = append(detail.Contents, info)
	return detail, nil
}

func itemInfo(it repo.Item) ItemInfo {
	info := ItemInfo{
		Kind: it.Kind, Name: it.Name, Digest: it.Desc.Digest.String(),
		Files: annotatedNumber(it, annFiles, 0), Entries: annotatedNumber(it, annEntries, 0),
		Bytes: annotatedNumber(it, annBytes, 0), Consistency: it.Annotations[annConsistency],
		Consistent: annotatedFlag(it, annConsistent, true), Problems: int(annotatedNumber(it, annProblems, 0)),
		Source: annotatedText(it, annSource), Annotations: maps.Clone(it.Annotations),
	}
	if it.Kind == KindImage {
		if img, err := archive.ParseItem(it.Desc, it.Annotations); err == nil {
			info.ImageID = img.ID
		}
	}
	return info
}

// showDefinition is a definition as JSON; text becomes a JSON string.
func showDefinition(ctx context.Context, r *repo.Repository, it repo.Item, secrets bool) (json.RawMessage, error) {
	data, mediaType, err := readDefinition(ctx, r, it.Desc)
	if err != nil {
		return nil, err
	}
	if mediaType == mediaTypeInspect {
		if secrets {
			return data, nil
		}
		return redactInspect(data)
	}
	text := string(data)
	if !secrets {
		text = redactText(text)
	}
	return json.Marshal(text)
}
