package repo

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"davit/backup/repo/storage"

	"filippo.io/age"
)

// InitEncrypted makes an encrypted repository, as Init makes a clear one, that the
// holders can read, and enrols this host: its key goes into Options.HostKeys,
// which must name a folder. One holder at least is needed.
func InitEncrypted(dir string, o Options, holders []KeyHolder) (*Repository, error) {
	return InitEncryptedIn(context.Background(), storage.OpenDir(dir), o, holders)
}

// InitEncryptedIn is InitEncrypted in a storage, as InitIn is Init.
func InitEncryptedIn(ctx context.Context, store storage.Storage, o Options, holders []KeyHolder) (*Repository, error) {
	o, err := o.withDefaults()
	switch {
	case err != nil:
	case o.ReadOnly:
		err = ErrReadOnly
	case len(holders) == 0:
		err = errors.New("nobody could read it: name a recipient or a passphrase")
	case o.HostKeys == "":
		err = errors.New("no folder for the key of this host")
	}
	if err == nil {
		err = initEncrypted(ctx, store, o, holders)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("init repository %s: %w", store.Place(), err), store.Close())
	}
	return OpenIn(ctx, store, o)
}

func initEncrypted(ctx context.Context, store storage.Storage, o Options, holders []KeyHolder) error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	config, err := newConfig(o.Rand)
	if err != nil {
		return err
	}
	authority, err := authorityOf(key, config.ID)
	if err != nil {
		return err
	}
	config.Encryption = &Encryption{
		Recipient: key.Recipient().String(),
		Authority: hex.EncodeToString(authority.Public().(ed25519.PublicKey)),
	}
	done, err := prepare(ctx, store)
	if err != nil {
		return err
	}
	return errors.Join(putEncrypted(ctx, store, o, config, key, holders), done(context.WithoutCancel(ctx)))
}

// putEncrypted writes what an encrypted repository begins with, its config last.
func putEncrypted(ctx context.Context, store storage.Storage, o Options, config Config, key *age.X25519Identity, holders []KeyHolder) error {
	r := &Repository{store: store, opt: o, config: config}
	for _, holder := range holders {
		if _, err := r.putKey(ctx, key, holder); err != nil {
			return err
		}
	}
	host, err := newHostKey(key, config, o.Host, o.Rand)
	if err != nil {
		return err
	}
	if host.Location, err = location(store); err != nil {
		return err
	}
	if err := host.Save(o.HostKeys); err != nil {
		return err
	}
	return writeDocuments(ctx, store, config)
}

// location is what a host remembers a repository's place by.
func location(store storage.Storage) (string, error) {
	if !store.Local() {
		return store.Place(), nil
	}
	abs, err := filepath.Abs(store.Place())
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil
}

// Enroll makes a key for a host, which may be another than this. It needs an
// identity, since the authority vouches for the host.
func (r *Repository) Enroll(host string) (*HostKey, error) {
	if r.vault == nil {
		return nil, ErrNotEncrypted
	}
	key, err := r.vault.unlock()
	if err != nil {
		return nil, fmt.Errorf("enroll host: %w", err)
	}
	r.randMu.Lock()
	defer r.randMu.Unlock()
	k, err := newHostKey(key, r.config, host, r.opt.Rand)
	if err != nil {
		return nil, fmt.Errorf("enroll host: %w", err)
	}
	return k, nil
}

// Adopt makes a key this host's own for the repository: it is kept in
// Options.HostKeys, and used from the next Open on.
func (r *Repository) Adopt(k *HostKey) error {
	if r.opt.HostKeys == "" {
		return errors.New("enroll host: no folder for the key of this host")
	}
	if k.Repository != r.config.ID {
		return fmt.Errorf("enroll host: the key is for repository %.8s, and this is %.8s", k.Repository, r.config.ID)
	}
	if err := k.pinned(r.config); err != nil {
		return fmt.Errorf("enroll host: the key is of another repository: %w", err)
	}
	own := *k
	var err error
	if own.Location, err = location(r.store); err != nil {
		return fmt.Errorf("enroll host: %w", err)
	}
	return own.Save(r.opt.HostKeys)
}

func newHostKey(key *age.X25519Identity, c Config, host string, rand io.Reader) (*HostKey, error) {
	ids, err := derive(key, c.ID, "ids")
	if err != nil {
		return nil, err
	}
	authority, err := authorityOf(key, c.ID)
	if err != nil {
		return nil, err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	statement, err := hostStatement(c.ID, host, public)
	if err != nil {
		return nil, err
	}
	return &HostKey{
		Version: 1, Repository: c.ID, Recipient: c.Encryption.Recipient, Authority: c.Encryption.Authority,
		Chunker: c.Chunker, IDKey: hex.EncodeToString(ids), Host: host,
		SigningKey:  hex.EncodeToString(seed),
		Certificate: hex.EncodeToString(ed25519.Sign(authority, statement)),
	}, nil
}

// hostStatement is what the authority signs: that a key is a host's.
func hostStatement(repository, host string, key ed25519.PublicKey) ([]byte, error) {
	return json.Marshal([]any{"davit host 1", repository, host, hex.EncodeToString(key)})
}
