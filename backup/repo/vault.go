package repo

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"filippo.io/age"
)

// ErrKeyNeeded is returned by what has to decrypt when no identity was given.
var ErrKeyNeeded = errors.New("repository is encrypted: this needs a key to decrypt it")

// ErrNotEnrolled is returned by what writes or signs on a host that has no key for
// the repository.
var ErrNotEnrolled = errors.New("repository is encrypted, and this host has no key to write into it")

// KeyError tells that none of the identities that were given opens the repository.
type KeyError struct{ Reason string }

func (e *KeyError) Error() string { return e.Reason }

// SealError tells that sealed bytes do not open: they are not what was stored.
type SealError struct{ Err error }

func (e *SealError) Error() string { return "does not decrypt: " + e.Err.Error() }

// Unwrap gives the reason.
func (e *SealError) Unwrap() error { return e.Err }

// Encryption is the part of a config that makes a repository encrypted. Hosts that
// write compare it with their own key, and do not believe it.
type Encryption struct {
	Recipient string `json:"recipient"` // of the repository key: an age recipient
	Authority string `json:"authority"` // ed25519 public key, hex
}

func (e *Encryption) check() error {
	if _, err := age.ParseX25519Recipient(e.Recipient); err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	if raw, err := hex.DecodeString(e.Authority); err != nil || len(raw) != ed25519.PublicKeySize {
		return errors.New("authority is no ed25519 key")
	}
	return nil
}

const idKeySize = sha256.Size

// vault is what a process knows of the keys of an encrypted repository. The
// repository key is found when it is first needed.
type vault struct {
	repository string
	host       *HostKey // nil: this host is not enrolled
	recipient  *age.X25519Recipient
	public     *ecdh.PublicKey // the recipient's
	authority  ed25519.PublicKey
	identities func() ([]age.Identity, error) // nil: none
	wrapped    func() ([]wrappedKey, error)
	damaged    func(id string) error // what is wrong with a wrapped key

	mu      sync.Mutex
	tried   bool
	err     error // of the first try
	key     *age.X25519Identity
	private *ecdh.PrivateKey // the key's
	ids     []byte           // the key of ids, nil when neither host key nor repository key is known
}

func newVault(c Config, host *HostKey, identities func() ([]age.Identity, error)) (*vault, error) {
	recipient, err := age.ParseX25519Recipient(c.Encryption.Recipient)
	if err != nil {
		return nil, err
	}
	authority, err := hex.DecodeString(c.Encryption.Authority)
	if err != nil {
		return nil, err
	}
	public, err := publicKey(recipient)
	if err != nil {
		return nil, err
	}
	v := &vault{repository: c.ID, host: host, recipient: recipient, public: public, authority: authority, identities: identities}
	if host != nil {
		v.ids, err = hex.DecodeString(host.IDKey)
	}
	return v, err
}

// derive makes a key of the repository key, for one purpose.
func derive(key *age.X25519Identity, repository, purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(key.String()), []byte(repository), "davit "+purpose+" 1", 32)
}

// unlock finds the repository key. It returns ErrKeyNeeded when no identity was
// given, and a *KeyError when none fits.
func (v *vault) unlock() (*age.X25519Identity, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.tried {
		v.tried = true
		v.err = v.open()
	}
	return v.key, v.err
}

func (v *vault) open() error {
	if v.identities == nil {
		return ErrKeyNeeded
	}
	identities, err := v.identities()
	if err != nil {
		return err
	}
	if len(identities) == 0 {
		return ErrKeyNeeded
	}
	wrapped, err := v.wrapped()
	if err != nil {
		return err
	}
	for _, w := range wrapped {
		key, err := w.unwrap(identities)
		if err != nil {
			continue // for somebody else, or damaged: another may do
		}
		if key.Recipient().String() != v.recipient.String() {
			continue // of another repository, put here by somebody
		}
		return v.use(key)
	}
	reason := fmt.Sprintf("wrong key: it does not open repository %.8s", v.repository)
	for _, w := range wrapped {
		if err := v.damaged(w.id); err != nil {
			reason += fmt.Sprintf("; %s/%s%s: %v", keyDir, w.id, wrapSuffix, err)
		}
	}
	return &KeyError{Reason: reason}
}

// use takes the repository key, after the lock was taken.
func (v *vault) use(key *age.X25519Identity) error {
	ids, err := derive(key, v.repository, "ids")
	if err != nil {
		return err
	}
	authority, err := authorityOf(key, v.repository)
	if err != nil {
		return err
	}
	if !authority.Public().(ed25519.PublicKey).Equal(v.authority) {
		return &PinError{Repository: v.repository, What: "it names an authority that its key does not make"}
	}
	if v.private, err = privateKey(key); err != nil {
		return err
	}
	v.key, v.ids = key, ids
	return nil
}

func authorityOf(key *age.X25519Identity, repository string) (ed25519.PrivateKey, error) {
	seed, err := derive(key, repository, "authority")
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// idKey is the key of ids, nil when this process has neither a host key nor,
// so far, the repository key.
func (v *vault) idKey() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ids
}

// keyed hides an id from who does not hold the id key. What is stored as it is and
// what is stored as a frame have ids of their own, since the one cannot stand for
// the other and, sealed, they look alike.
func (v *vault) keyed(id ID, raw bool) ID {
	mac := hmac.New(sha256.New, v.idKey())
	if raw {
		mac.Write([]byte("raw"))
	}
	mac.Write(id[:])
	return ID(mac.Sum(nil))
}

// seal encrypts data into dst[:0].
func (v *vault) seal(dst, data []byte) ([]byte, error) { return sealTo(v.public, dst, data) }

// unseal decrypts into dst[:0].
func (v *vault) unseal(dst, stored []byte) ([]byte, error) {
	if _, err := v.unlock(); err != nil {
		return nil, err
	}
	plain, err := unsealWith(v.private, dst, stored)
	if err != nil {
		return nil, &SealError{err}
	}
	return plain, nil
}

// Encrypted tells whether the repository is.
func (r *Repository) Encrypted() bool { return r.vault != nil }

// Unlocked finds out whether this process can decrypt: true in a clear repository.
// An identity that was given and is wrong is a *KeyError.
func (r *Repository) Unlocked() (bool, error) {
	if r.vault == nil {
		return true, nil
	}
	_, err := r.vault.unlock()
	if errors.Is(err, ErrKeyNeeded) {
		return false, nil
	}
	return err == nil, err
}

// NeedKey is nil when this process can decrypt, else ErrKeyNeeded or a *KeyError.
func (r *Repository) NeedKey() error {
	if r.vault == nil {
		return nil
	}
	_, err := r.vault.unlock()
	return err
}

// Seal encrypts for the repository key into dst[:0]. In a clear repository it
// returns data itself.
func (r *Repository) Seal(dst, data []byte) ([]byte, error) {
	if r.vault == nil {
		return data, nil
	}
	return r.vault.seal(dst, data)
}

// Unseal decrypts what Seal made into dst[:0]. What does not open is a
// *SealError. In a clear repository it returns stored itself.
func (r *Repository) Unseal(dst, stored []byte) ([]byte, error) {
	if r.vault == nil {
		return stored, nil
	}
	return r.vault.unseal(dst, stored)
}

// ContentID is the id of what is stored as a frame: the SHA-256 of its plain
// bytes; in an encrypted repository a HMAC of that, by a key that the host holds.
func (r *Repository) ContentID(plain []byte) ID { return r.IDOf(DigestOf(plain)) }

// IDOf is ContentID of content of which only the SHA-256 is known.
func (r *Repository) IDOf(plain Digest) ID {
	if r.vault == nil {
		return ID(plain)
	}
	return r.vault.keyed(ID(plain), false)
}

// CutSeed moves the cuts of big files in an encrypted repository; nil in a clear
// one.
func (r *Repository) CutSeed() ([]byte, error) {
	if r.vault == nil {
		return nil, nil
	}
	ids := r.vault.idKey()
	if ids == nil {
		return nil, ErrNotEnrolled
	}
	return hkdf.Key(sha256.New, ids, []byte(r.config.ID), "davit chunker 1", 32)
}

// checkSealed keeps plain bytes out of an encrypted repository, whatever mistake
// brings them here.
func (r *Repository) checkSealed(raw bool, stored []byte) error {
	if r.vault == nil || bytes.HasPrefix(stored, []byte(ageMagic)) {
		return nil
	}
	if raw && isStructure(stored) {
		return nil
	}
	return errors.New("bytes that are not encrypted do not belong into an encrypted repository")
}

// isStructure tells whether a document is one of those that stay readable in an
// encrypted repository: they hold digests, ids and lengths.
func isStructure(data []byte) bool {
	d := DigestOf(data)
	if index, err := DecodeIndex(d, data); err == nil {
		return index.ArtifactType == ArtifactTypeSnapshot || index.ArtifactType == ArtifactTypeTree || index.ArtifactType == ArtifactTypeNested
	}
	manifest, err := DecodeManifest(d, data)
	return err == nil && (manifest.ArtifactType == ArtifactTypePart || manifest.ArtifactType == ArtifactTypeSealed)
}

// HasContent tells whether the live index has content with this SHA-256, as a
// frame or as it is.
func (r *Repository) HasContent(plain Digest) bool {
	if r.vault == nil {
		_, ok := r.Lookup(ID(plain))
		return ok
	}
	if r.vault.idKey() == nil {
		return false
	}
	_, framed := r.index.Lookup(r.vault.keyed(ID(plain), false), encodedForm)
	_, raw := r.index.Lookup(r.vault.keyed(ID(plain), true), encodedForm)
	return framed || raw
}
