package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

const (
	wrapSuffix  = ".age"
	labelSuffix = ".json"
)

// KeyHolder is somebody who is to be able to decrypt a repository.
type KeyHolder struct {
	Name      string // as list shows it: the recipient's text, or "passphrase"
	Recipient age.Recipient
}

// WrappedKey is the repository key, encrypted for one holder: the file
// davit/keys/<id>.age. What is told of it is not signed by anybody.
type WrappedKey struct {
	Version int       `json:"version"`
	ID      string    `json:"id"` // 16 hexadecimal digits
	Name    string    `json:"name"`
	Added   time.Time `json:"added"`
	Host    string    `json:"host"`              // where it was added
	Wrapped string    `json:"wrapped,omitempty"` // SHA-256 of the file; of keys of before it is not told
}

// wrappedKey is one with its bytes.
type wrappedKey struct {
	id   string
	data []byte
}

// maxKeyText bounds what a wrapped key holds.
const maxKeyText = 4 * kib

// unwrap gives the repository key to who can open it.
func (w wrappedKey) unwrap(identities []age.Identity) (*age.X25519Identity, error) {
	r, err := age.Decrypt(bytes.NewReader(w.data), identities...)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxKeyText))
	if err != nil {
		return nil, err
	}
	found, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if key, ok := found[0].(*age.X25519Identity); ok && len(found) == 1 {
		return key, nil
	}
	return nil, errors.New("does not hold a repository key")
}

// wrap encrypts the repository key. What age -d makes of it is a file that age -d
// takes as an identity.
func wrap(key *age.X25519Identity, repository string, to age.Recipient) ([]byte, error) {
	var buf bytes.Buffer
	w, err := age.Encrypt(&buf, to)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(w, "# key of davit repository %s\n# public key: %s\n%s\n", repository, key.Recipient(), key); err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}

// wrappedKeys reads all files of keys.
func (r *Repository) wrappedKeys(ctx context.Context) ([]wrappedKey, error) {
	docs, err := r.documents(ctx, keyDir, wrapSuffix, isSnapshotID)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var list []wrappedKey
	for _, doc := range docs {
		if doc.err != nil {
			return nil, fmt.Errorf("read key %s: %w", doc.name, doc.err)
		}
		list = append(list, wrappedKey{id: doc.name, data: doc.data})
	}
	return list, nil
}

// Keys lists who can decrypt the repository, the first added first.
func (r *Repository) Keys() ([]WrappedKey, error) {
	if r.vault == nil {
		return nil, ErrNotEncrypted
	}
	ctx := context.Background()
	wrapped, err := r.wrappedKeys(ctx)
	if err != nil {
		return nil, err
	}
	list := []WrappedKey{}
	for _, w := range wrapped {
		label := WrappedKey{ID: w.id}
		if data, err := r.store.Get(ctx, keyDir+"/"+w.id+labelSuffix, maxSmallFile); err == nil {
			if json.Unmarshal(data, &label) != nil || label.ID != w.id {
				label = WrappedKey{ID: w.id}
			}
		}
		list = append(list, label)
	}
	slices.SortStableFunc(list, func(a, b WrappedKey) int { return a.Added.Compare(b.Added) })
	return list, nil
}

// ErrNotEncrypted is returned by what is about keys in a clear repository.
var ErrNotEncrypted = errors.New("repository is not encrypted: it has no keys")

// AddKey lets somebody else decrypt the repository, all that is in it and all that
// comes. It needs an identity itself.
func (r *Repository) AddKey(ctx context.Context, holder KeyHolder) (WrappedKey, error) {
	if r.vault == nil {
		return WrappedKey{}, ErrNotEncrypted
	}
	if err := r.mayReplace(); err != nil {
		return WrappedKey{}, fmt.Errorf("add key: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return WrappedKey{}, err
	}
	key, err := r.vault.unlock()
	if err != nil {
		return WrappedKey{}, fmt.Errorf("add key: %w", err)
	}
	label, err := r.putKey(ctx, key, holder)
	if err != nil {
		return WrappedKey{}, fmt.Errorf("add key: %w", err)
	}
	return label, nil
}

// keyIDOf makes the name of a key's file. One recipient has one file; a passphrase
// has a new one each time.
func keyIDOf(holder KeyHolder, wrapped []byte) string {
	sum := sha256.Sum256([]byte(holder.Name))
	if _, ok := holder.Recipient.(*age.ScryptRecipient); ok {
		sum = sha256.Sum256(wrapped)
	}
	return hex.EncodeToString(sum[:snapshotIDLen])
}

func (r *Repository) putKey(ctx context.Context, key *age.X25519Identity, holder KeyHolder) (WrappedKey, error) {
	data, err := wrap(key, r.config.ID, holder.Recipient)
	if err != nil {
		return WrappedKey{}, err
	}
	label := WrappedKey{Version: 1, ID: keyIDOf(holder, data), Name: holder.Name, Added: r.opt.Now().UTC().Round(0), Host: r.opt.Host, Wrapped: DigestOf(data).Hex()}
	text, err := encodeChecked(label)
	if err != nil {
		return WrappedKey{}, err
	}
	if err := r.store.Put(ctx, keyDir+"/"+label.ID+labelSuffix, text); err != nil {
		return WrappedKey{}, err
	}
	return label, r.store.Put(ctx, keyDir+"/"+label.ID+wrapSuffix, data)
}

// RemoveKey removes the key of one holder: by id, its beginning of four digits or
// more, or name. It keeps nobody from what he could read before: he may have kept
// the repository key. The last one stays.
func (r *Repository) RemoveKey(ctx context.Context, spec string) (WrappedKey, error) {
	keys, err := r.Keys()
	if err != nil {
		return WrappedKey{}, err
	}
	if err := r.mayReplace(); err != nil {
		return WrappedKey{}, fmt.Errorf("remove key: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return WrappedKey{}, err
	}
	found := slices.DeleteFunc(slices.Clone(keys), func(k WrappedKey) bool {
		return k.Name != spec && (len(spec) < minPrefix || !strings.HasPrefix(k.ID, spec))
	})
	switch {
	case len(found) == 0:
		return WrappedKey{}, fmt.Errorf("remove key: there is none called %q", spec)
	case len(found) > 1:
		return WrappedKey{}, fmt.Errorf("remove key: %q names %d keys", spec, len(found))
	case len(keys) == 1:
		return WrappedKey{}, errors.New("remove key: it is the last: nobody could read the repository any more")
	}
	for _, suffix := range []string{wrapSuffix, labelSuffix} {
		if err := r.store.Remove(ctx, keyDir+"/"+found[0].ID+suffix); err != nil {
			return WrappedKey{}, fmt.Errorf("remove key: %w", err)
		}
	}
	return found[0], nil
}
