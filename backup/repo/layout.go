package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"davit/backup/repo/storage"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Where things are below the repository's folder.
const (
	blobDir    = storage.BlobFolder
	davitDir   = "davit"
	configFile = "davit/config.json"
	refDir     = "davit/refs"
	indexDir   = "davit/index"
	sessionDir = "davit/sessions"
	gcDir      = "davit/gc"
	lockDir    = "davit/locks"
	writeLock  = "davit/locks/write.lock"
	gcLock     = "davit/locks/gc.lock"
	tombDir    = "davit/tombstones"
	keyDir     = "davit/keys"
	attestDir  = "davit/attested"
)

const (
	dirPerm  = 0o700
	filePerm = 0o600
)

// maxSmallFile bounds config, refs and other small documents.
const maxSmallFile = 1 * mib

// Init makes a repository in dir, which must be absent or empty, and opens it.
// The config is written last: a folder without it is no repository.
func Init(dir string, o Options) (*Repository, error) {
	return InitIn(context.Background(), storage.OpenDir(dir), o)
}

// InitIn makes a repository in a storage, where nothing may be, and opens it. The
// storage is closed with the repository, or on an error.
func InitIn(ctx context.Context, store storage.Storage, o Options) (*Repository, error) {
	o, err := o.withDefaults()
	if err == nil && o.ReadOnly {
		err = ErrReadOnly
	}
	var config Config
	if err == nil {
		config, err = newConfig(o.Rand)
	}
	if err == nil {
		_, err = o.vaultOf(store, config)
	}
	var done func(context.Context) error
	if err == nil {
		done, err = prepare(ctx, store)
	}
	if err == nil {
		err = errors.Join(writeDocuments(ctx, store, config), done(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("init repository %s: %w", store.Place(), err), store.Close())
	}
	return OpenIn(ctx, store, o)
}

func prepare(ctx context.Context, store storage.Storage) (done func(context.Context) error, err error) {
	return store.Prepare(ctx, []string{davitDir, blobDir, refDir, indexDir, sessionDir, gcDir, lockDir, keyDir})
}

func newConfig(rand io.Reader) (Config, error) {
	id, err := randomHex(rand, 16)
	return Config{Version: FormatVersion, ID: id, Chunker: defaultChunker()}, err
}

func writeDocuments(ctx context.Context, store storage.Storage, config Config) error {
	empty := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	for _, doc := range []struct {
		name    string
		content any
	}{
		{ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}},
		{ocispec.ImageIndexFile, empty},
		{configFile, config},
	} {
		data, err := json.Marshal(doc.content)
		if err != nil {
			return err
		}
		if err := store.Put(ctx, doc.name, append(data, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// readConfig also tells apart what else a place can be.
func readConfig(ctx context.Context, store storage.Storage) (Config, error) {
	data, err := store.Get(ctx, configFile, maxSmallFile)
	if err == nil {
		return decodeConfig(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Config{}, err
	}
	empty, err := store.Empty(ctx)
	switch {
	case err != nil:
		return Config{}, err
	case empty:
		return Config{}, ErrNoRepository
	}
	return Config{}, ErrNotRepository
}

// list returns the files of a folder whose names end in a suffix, by what is before that.
func (r *Repository) list(ctx context.Context, folder, suffix string, names func(string) bool) (map[string]storage.Entry, error) {
	found := make(map[string]storage.Entry)
	err := r.store.List(ctx, folder, func(e storage.Entry) error {
		rest, ok := strings.CutPrefix(e.Name(), folder+"/")
		if !ok || strings.Contains(rest, "/") {
			return nil
		}
		if name, ok := strings.CutSuffix(rest, suffix); ok && names(name) {
			found[name] = e
		}
		return nil
	})
	return found, err
}

// document is a small file as it was read.
type document struct {
	name string // without folder and suffix
	data []byte
	err  error
}

// documents reads the files of a folder, sorted by name, several at a time where a server
// has to be asked. Those that went meanwhile are left out.
func (r *Repository) documents(ctx context.Context, folder, suffix string, names func(string) bool) ([]document, error) {
	entries, err := r.list(ctx, folder, suffix, names)
	if err != nil {
		return nil, err
	}
	docs := make([]document, 0, len(entries))
	for name := range entries {
		docs = append(docs, document{name: name})
	}
	slices.SortFunc(docs, func(a, b document) int { return strings.Compare(a.name, b.name) })
	storage.Each(r.readers(), len(docs), func(i int) {
		docs[i].data, docs[i].err = r.store.GetListed(ctx, entries[docs[i].name], maxSmallFile)
	})
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(docs, func(d document) bool { return errors.Is(d.err, fs.ErrNotExist) }), nil
}

// readers is how many requests are worth having under way at once.
func (r *Repository) readers() int { return readers(r.store) }

func readers(store storage.Storage) int {
	if store.Local() {
		return 1
	}
	return remoteReaders
}

const remoteReaders = 16

// readSmallFile reads a file of this machine.
func readSmallFile(path string) ([]byte, error) {
	return storage.OpenDir(filepath.Dir(path)).Get(context.Background(), filepath.Base(path), maxSmallFile)
}
