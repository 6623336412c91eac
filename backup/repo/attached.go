package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"davit/backup/repo/storage"
)

// Attached are the files beside the blobs that somebody needs who has the blobs of a snapshot and nothing else: the
// config, the ref, and the repository's key as its holders have it. What is in them stays encrypted or signed as it is.
func (r *Repository) Attached(ctx context.Context, snapshot string) (map[string][]byte, error) {
	if !isSnapshotID(snapshot) {
		return nil, fmt.Errorf("%w: %s", ErrNoSnapshot, snapshot)
	}
	config, err := json.Marshal(r.config)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{configFile: config}
	name := refDir + "/" + snapshot + refSuffix
	if files[name], err = r.store.Get(ctx, name, maxSmallFile); err != nil {
		return nil, fmt.Errorf("read ref: %w", err)
	}
	err = r.store.List(ctx, keyDir, func(e storage.Entry) error {
		if strings.HasPrefix(path.Base(e.Name()), ".") {
			return nil
		}
		data, err := r.store.Get(ctx, e.Name(), maxSmallFile)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // taken away since the listing
		}
		files[e.Name()] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return files, nil
}
