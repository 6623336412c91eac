package repo

import (
	"context"
	"io/fs"
	"strings"

	"davit/backup/repo/storage"
)

// fileList tells which blobs there are, for those who ask about many: a folder is asked
// for each one, a server for all at once.
type fileList struct {
	repo  *Repository
	infos map[Digest]storage.Info // nil: ask the folder
}

// Sizes returns what HasFile does, for who asks of many blobs: a server is asked for all
// of them now.
func (r *Repository) Sizes(ctx context.Context) (func(context.Context, Digest) (size int64, ok bool, err error), error) {
	l, err := r.listFiles(ctx)
	if err != nil {
		return nil, err
	}
	return l.hasFile, nil
}

func (r *Repository) listFiles(ctx context.Context) (*fileList, error) {
	l := &fileList{repo: r}
	if r.store.Local() {
		return l, nil
	}
	l.infos = make(map[Digest]storage.Info)
	err := r.eachFile(ctx, func(d Digest, look func() (storage.Info, error)) {
		if info, err := look(); err == nil {
			l.infos[d] = info
		}
	})
	return l, err
}

// look tells of one blob what Stat does, fs.ErrNotExist when it was not there.
func (l *fileList) look(ctx context.Context, d Digest) (storage.Info, error) {
	if l.infos == nil {
		return l.repo.store.Stat(ctx, blobName(d))
	}
	info, ok := l.infos[d]
	if !ok {
		return info, fs.ErrNotExist
	}
	return info, nil
}

// hasFile is Repository.HasFile by the list.
func (l *fileList) hasFile(ctx context.Context, d Digest) (size int64, ok bool, err error) {
	info, err := l.look(ctx, d)
	return there(d, info, err)
}

// each visits the names of all blobs.
func (l *fileList) each(ctx context.Context, visit func(Digest)) error {
	if l.infos == nil {
		return l.repo.eachFile(ctx, func(d Digest, _ func() (storage.Info, error)) { visit(d) })
	}
	for d := range l.infos {
		visit(d)
	}
	return context.Cause(ctx)
}

// EachBlob visits the files of all blobs that the index offers, needed or not, with their sizes. Those
// that go meanwhile may be left out. A file that the index does not offer may be what a killed process, a full
// disk or a power cut left of a blob: nobody reads it, and who needs the blob writes it anew.
func (r *Repository) EachBlob(ctx context.Context, visit func(d Digest, size int64)) error {
	offered, err := r.index.digests(ctx)
	if err != nil {
		return err
	}
	return r.eachFile(ctx, func(d Digest, look func() (storage.Info, error)) {
		if _, ok := offered[d]; !ok {
			return
		}
		if info, err := look(); err == nil {
			visit(d, info.Size)
		}
	})
}

// eachFile visits the names of all blobs.
func (r *Repository) eachFile(ctx context.Context, visit func(d Digest, look func() (storage.Info, error))) error {
	return r.store.List(ctx, blobDir, func(e storage.Entry) error {
		if d, err := ParseDigest(digestPrefix + strings.TrimPrefix(e.Name(), blobDir+"/")); err == nil {
			visit(d, e.Info)
		}
		return nil
	})
}
