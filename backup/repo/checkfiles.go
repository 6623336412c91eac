package repo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo/storage"
)

// FileProblem is a file, by its name in the repository, that is not as it was written.
type FileProblem struct {
	File string
	Err  error
}

// CheckFiles looks into all files that are no blobs, and says which are not as they were written or
// belong to no repository. Refs that cannot be read Snapshots tells, and damaged index files IndexProblems.
// What others write meanwhile may be told wrongly of index.json only.
func (r *Repository) CheckFiles(ctx context.Context) ([]FileProblem, error) {
	var problems []FileProblem
	err := r.store.List(ctx, "", func(e storage.Entry) error {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		name := e.Name()
		if strings.HasPrefix(name, "lost+found/") || !r.Local() && storage.IsPassing(name) {
			return nil
		}
		err := r.checkFile(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
		if err != nil {
			problems = append(problems, FileProblem{name, err})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into all files: %w", err)
	}
	slices.SortFunc(problems, func(a, b FileProblem) int { return strings.Compare(a.File, b.File) })
	return problems, nil
}

// checkFile looks into one file by the folder that it is in.
func (r *Repository) checkFile(ctx context.Context, name string) error {
	folder, base := path.Split(name)
	stem := strings.TrimSuffix(base, path.Ext(base))
	of := func(what any) error {
		data, err := r.store.Get(ctx, name, maxSmallFile)
		if err != nil {
			return err
		}
		return asWritten(data, what)
	}
	switch folder {
	case "":
		return r.checkLayoutFile(ctx, base)
	case blobDir + "/":
		_, err := ParseDigest(digestPrefix + base)
		return err
	case davitDir + "/":
		if name == configFile {
			return errors.Join(of(&Config{}), r.checkConfig(ctx))
		}
		if name == forgottenFile {
			return r.checkForgotten(ctx)
		}
	case refDir + "/":
		if isSnapshotID(stem) {
			return r.checkRef(ctx, stem, of)
		}
	case tombDir + "/":
		if isSnapshotID(stem) {
			return errors.Join(r.checkTombstone(ctx, stem), of(&tombstone{}))
		}
	case indexDir + "/":
		if isIndexName(base) {
			return nil
		}
	case sessionDir + "/":
		return of(&sessionFile{})
	case keyDir + "/":
		return r.checkKey(ctx, stem)
	case attestDir + "/":
		return errors.Join(of(&attestation{}), r.checkAttested(ctx, name))
	}
	if strings.HasPrefix(folder, lockDir+"/") {
		if info, err := r.store.Stat(ctx, name); err != nil || info.Size == 0 {
			return err // nobody holds it
		}
		return of(&lockOwner{})
	}
	if strings.HasPrefix(folder, gcDir+"/") {
		return r.checkGCFile(ctx, strings.TrimSuffix(folder, "/"), base)
	}
	return errors.New("is no file of a repository")
}

// checkLayoutFile looks at what makes the folder an OCI image layout.
func (r *Repository) checkLayoutFile(ctx context.Context, name string) error {
	var want bytes.Buffer
	switch name {
	case ocispec.ImageLayoutFile:
		if err := json.NewEncoder(&want).Encode(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
			return err
		}
	case ocispec.ImageIndexFile:
		snaps, err := r.namedSnapshots(ctx)
		if err != nil {
			return nil //nolint:nilerr // that snapshots cannot be read is told of them
		}
		if err := encodeIndexJSON(&want, snaps); err != nil {
			return err
		}
	default:
		return errors.New("is no file of a repository")
	}
	in, _, err := r.store.Open(ctx, name)
	if err != nil {
		return err
	}
	defer in.Close()
	have, err := io.ReadAll(io.LimitReader(in, int64(want.Len())+1))
	if err == nil && !bytes.Equal(have, want.Bytes()) {
		err = errors.New("is not what the snapshots say: repair writes it anew")
		if name == ocispec.ImageLayoutFile {
			err = errors.New("is not that of an OCI image layout")
		}
	}
	return err
}

// checkConfig compares the config with what the newest ref says that it was.
func (r *Repository) checkConfig(ctx context.Context) error {
	refs, _, err := r.refs(ctx)
	if err != nil {
		return err
	}
	have, err := r.config.sum()
	if err != nil {
		return err
	}
	var newest ref
	for _, f := range refs {
		if f.Config != "" && f.Time.After(newest.Time) {
			newest = f
		}
	}
	if newest.Config != "" && newest.Config != have {
		return fmt.Errorf("is another than when snapshot %s was made", newest.ID)
	}
	return nil
}

// checkRef leaves to Snapshots to tell what cannot be read.
func (r *Repository) checkRef(ctx context.Context, id string, of func(any) error) error {
	data, err := r.store.Get(ctx, refDir+"/"+id+refSuffix, maxSmallFile)
	if err != nil {
		return err
	}
	f, err := decodeRef(id, data)
	if err != nil || sumIsRight(data) != nil || r.verifyRef(f) != nil {
		return nil //nolint:nilerr // see above
	}
	return of(&ref{})
}

func (r *Repository) checkTombstone(ctx context.Context, id string) error {
	data, err := r.store.Get(ctx, tombDir+"/"+id+refSuffix, maxSmallFile)
	if err != nil {
		return err
	}
	_, err = r.decodeTombstone(id, data)
	return err
}

// checkKey compares a wrapped key with what its label says.
func (r *Repository) checkKey(ctx context.Context, id string) error {
	if !isSnapshotID(id) {
		return errors.New("is no file of a repository")
	}
	var label WrappedKey
	data, err := r.store.Get(ctx, keyDir+"/"+id+labelSuffix, maxSmallFile)
	if err == nil {
		err = asWritten(data, &label)
	}
	if err != nil || label.Wrapped == "" {
		return err
	}
	wrapped, err := r.store.Get(ctx, keyDir+"/"+id+wrapSuffix, maxSmallFile)
	if err == nil && DigestOf(wrapped).Hex() != label.Wrapped {
		err = errors.New("the key is another than was added: its holder cannot decrypt any more; add it again")
	}
	return err
}

func (r *Repository) checkAttested(ctx context.Context, name string) error {
	data, err := r.store.Get(ctx, name, maxSmallFile)
	if err != nil || r.vault == nil {
		return err
	}
	var a attestation
	if err := json.Unmarshal(data, &a); err != nil {
		return err
	}
	value, err := decodeHex(a.Signature, ed25519.SignatureSize)
	if err != nil {
		return err
	}
	text, err := a.statement(r.config.ID)
	if err == nil && !ed25519.Verify(r.vault.authority, text, value) {
		err = errors.New("was not signed by who may")
	}
	return err
}

func (r *Repository) checkGCFile(ctx context.Context, folder, base string) error {
	parts := strings.Split(strings.TrimPrefix(folder, gcDir+"/"), "/")
	n, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || gcName(n) != parts[0] || len(parts) > 2 {
		return errors.New("is no file of a repository")
	}
	switch {
	case len(parts) == 2 && parts[1] == rescueDir, len(parts) == 1 && base == condemnedFile:
		_, err := r.readDigests(ctx, folder, base)
		return err
	case len(parts) == 1 && (base == sweepingFile || base == doneFile):
		_, err := r.store.Get(ctx, folder+"/"+base, 0)
		return err
	}
	return errors.New("is no file of a repository")
}
