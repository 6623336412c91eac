package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"davit/engine/hostfs"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Where things are below the repository's folder.
const (
	blobDir    = "blobs/sha256"
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
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.ReadOnly {
		return nil, fmt.Errorf("init repository %s: %w", dir, ErrReadOnly)
	}
	config, err := newConfig(o.Rand)
	if err == nil {
		_, err = o.vaultOf(dir, config)
	}
	if err == nil {
		err = makeFolders(dir)
	}
	if err == nil {
		err = writeDocuments(dir, config)
	}
	if err != nil {
		return nil, fmt.Errorf("init repository %s: %w", dir, err)
	}
	return Open(dir, o)
}

// makeFolders makes the folders of a repository in dir, which must be absent or
// empty.
func makeFolders(dir string) error {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return err
	}
	if err := checkEmpty(dir); err != nil {
		return err
	}
	if err := os.Chmod(dir, dirPerm); err != nil {
		return err
	}
	// Mkdir fails when somebody else got here first; of two, one goes on.
	if err := os.Mkdir(filepath.Join(dir, davitDir), dirPerm); err != nil {
		return err
	}
	for _, sub := range []string{blobDir, refDir, indexDir, sessionDir, gcDir, lockDir, keyDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), dirPerm); err != nil {
			return err
		}
	}
	return nil
}

func newConfig(rand io.Reader) (Config, error) {
	id, err := randomHex(rand, 16)
	return Config{Version: FormatVersion, ID: id, Chunker: defaultChunker()}, err
}

func writeDocuments(dir string, config Config) error {
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
		if err := hostfs.WriteFile(filepath.Join(dir, doc.name), append(data, '\n'), filePerm); err != nil {
			return err
		}
	}
	return hostfs.SyncDir(filepath.Dir(dir))
}

// checkEmpty lets lost+found pass, which every new ext file system has.
func checkEmpty(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range names {
		if entry.Name() != "lost+found" {
			return ErrNotEmpty
		}
	}
	return nil
}

// readConfig also tells apart what else a folder can be.
func readConfig(dir string) (Config, error) {
	data, err := readSmallFile(filepath.Join(dir, configFile))
	if err == nil {
		return decodeConfig(data)
	}
	if !errors.Is(err, fs.ErrNotExist) && !isNotDir(err) {
		return Config{}, err
	}
	switch err := checkEmpty(dir); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return Config{}, ErrNoRepository
	case errors.Is(err, ErrNotEmpty), isNotDir(err):
		return Config{}, ErrNotRepository
	default:
		return Config{}, err
	}
}

// readSmallFile reads a regular file of bounded length; it neither follows a
// symlink nor waits for a fifo.
func readSmallFile(path string) ([]byte, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxSmallFile {
		return nil, fmt.Errorf("read %s: %d bytes is too long", path, size)
	}
	return io.ReadAll(io.LimitReader(f, maxSmallFile))
}
