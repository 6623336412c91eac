package repo

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// signature says which host signed a ref or tombstone. The certificate is the
// authority's statement that the key is that host's; who holds an identity makes
// the authority's own key from it, and needs to believe nothing else.
type signature struct {
	Host        string `json:"host"`
	Key         string `json:"key"`         // ed25519 public key, hex
	Certificate string `json:"certificate"` // hex
	Value       string `json:"value"`       // hex
}

// ForgedError tells that a ref or tombstone was not signed by the host it names.
type ForgedError struct {
	Snapshot string
	Reason   string
}

func (e *ForgedError) Error() string { return "is not to be trusted: " + e.Reason }

// statement is what is signed of a ref.
func (f ref) statement(repository string) ([]byte, error) {
	return json.Marshal([]any{
		"davit ref 1", repository, f.ID, f.Host, f.Job, f.Time.UTC().Format(time.RFC3339Nano), f.Digest,
		strconv.FormatInt(f.Size, 10), strconv.FormatInt(f.Sequence, 10), f.Previous, f.GCSeen,
	})
}

// statement is what is signed of a tombstone: who took away which ref, and when.
func (t tombstone) statement(repository string) ([]byte, error) {
	f, err := t.Ref.statement(repository)
	if err != nil {
		return nil, err
	}
	return json.Marshal([]any{"davit tombstone 1", repository, t.ID, t.Host, t.Time.UTC().Format(time.RFC3339Nano), DigestOf(f).Hex()})
}

// canSign is nil when this process may sign; else ErrNotEnrolled.
func (r *Repository) canSign() error {
	if r.vault == nil || r.vault.host != nil {
		return nil
	}
	return ErrNotEnrolled
}

// CanSave is nil when this process may make snapshots, else ErrNotEnrolled or a
// *WrongHostError.
func (r *Repository) CanSave() error { return r.canSave(r.opt.Host) }

func (r *Repository) canSave(host string) error {
	if err := r.canSign(); err != nil || r.vault == nil {
		return err
	}
	if key := r.vault.host.Host; key != host {
		return &WrongHostError{Key: key, Host: host}
	}
	return nil
}

// CanSaveFor is nil when a session of this process with SessionInfo.Vouch may make
// snapshots of a host: with the host's own key, or with an identity, which can enrol
// any host. Else it is ErrNotEnrolled, a *WrongHostError or a *KeyError.
func (r *Repository) CanSaveFor(host string) error {
	err := r.canSave(host)
	if err == nil {
		return nil
	}
	if unlocked, keyErr := r.Unlocked(); unlocked || keyErr != nil {
		return keyErr
	}
	return err
}

// WrongHostError tells that this machine's key is that of a host with another name.
type WrongHostError struct{ Key, Host string }

func (e *WrongHostError) Error() string {
	return fmt.Sprintf("the key of this host is for host %q, and this is %q", e.Key, e.Host)
}

// sign signs with the key of this host. In a clear repository nothing is signed.
func (r *Repository) sign(statement func(repository string) ([]byte, error)) (*signature, error) {
	if r.vault == nil {
		return nil, nil
	}
	if err := r.canSign(); err != nil {
		return nil, err
	}
	return r.signWith(r.vault.host, statement)
}

// signRef signs with the key of the host whose snapshot it is, or else with one that the
// authority makes for it and that nobody keeps.
func (r *Repository) signRef(f *ref) (*signature, error) {
	if r.vault == nil || r.canSave(f.Host) == nil {
		return r.sign(f.statement)
	}
	key, err := r.Enroll(f.Host)
	if err != nil {
		return nil, err
	}
	return r.signWith(key, f.statement)
}

func (r *Repository) signWith(k *HostKey, statement func(repository string) ([]byte, error)) (*signature, error) {
	text, err := statement(r.config.ID)
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(k.SigningKey)
	if err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	return &signature{
		Host: k.Host, Key: hex.EncodeToString(key.Public().(ed25519.PublicKey)), Certificate: k.Certificate,
		Value: hex.EncodeToString(ed25519.Sign(key, text)),
	}, nil
}

// verifyRef checks that a ref was signed by its host.
func (r *Repository) verifyRef(f ref) error {
	if r.vault == nil {
		return nil
	}
	if f.Signature != nil && f.Signature.Host != f.Host {
		return &ForgedError{f.ID, fmt.Sprintf("a snapshot of host %q that host %q signed", f.Host, f.Signature.Host)}
	}
	if err := r.verifySignature(f.Signature, f.statement); err != nil {
		return &ForgedError{f.ID, err.Error()}
	}
	return nil
}

// verifySignature checks a signature of any host that the authority vouches for.
func (r *Repository) verifySignature(s *signature, statement func(repository string) ([]byte, error)) error {
	if r.vault == nil {
		return nil
	}
	if s == nil {
		return fmt.Errorf("it is not signed")
	}
	key, err := decodeHex(s.Key, ed25519.PublicKeySize)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	certificate, err := decodeHex(s.Certificate, ed25519.SignatureSize)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	value, err := decodeHex(s.Value, ed25519.SignatureSize)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	claim, err := hostStatement(r.config.ID, s.Host, key)
	if err != nil {
		return err
	}
	if !ed25519.Verify(r.vault.authority, claim, certificate) {
		return fmt.Errorf("host %q was not enrolled with the key that signed it", s.Host)
	}
	text, err := statement(r.config.ID)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, text, value) {
		return fmt.Errorf("it is not what host %q signed", s.Host)
	}
	return nil
}

func decodeHex(s string, size int) ([]byte, error) {
	raw := make([]byte, size)
	if err := parseHex(raw, s); err != nil {
		return nil, err
	}
	return raw, nil
}
