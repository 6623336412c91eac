package repo

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"

	"filippo.io/age"
)

// HostKey is what a host needs to write into an encrypted repository: it can
// encrypt, find what is there, and sign, and it cannot decrypt. It is also what the
// host takes for certain of the repository, whatever the repository says later.
//
// Who holds it can confirm a guess of some content (by its id), and write
// snapshots of that host.
type HostKey struct {
	Version     int     `json:"version"`
	Repository  string  `json:"repository"` // id
	Location    string  `json:"location,omitempty"`
	Recipient   string  `json:"recipient"` // age recipient of the repository key
	Authority   string  `json:"authority"` // ed25519 public key, hex: vouches for hosts
	Chunker     Chunker `json:"chunker"`
	IDKey       string  `json:"idKey"`       // hex
	Host        string  `json:"host"`        // whose snapshots it signs
	SigningKey  string  `json:"signingKey"`  // ed25519 seed, hex
	Certificate string  `json:"certificate"` // the authority's signature, hex
}

const hostKeySuffix = ".json"

// ErrNotHostKey tells that a file is something else than a host's key.
var ErrNotHostKey = errors.New("not a host key")

// ParseHostKey reads what Encode writes.
func ParseHostKey(data []byte) (*HostKey, error) {
	k := &HostKey{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(k); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotHostKey, err)
	}
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("check host key: %w", err)
	}
	return k, nil
}

func (k *HostKey) check() error {
	if k.Version != 1 {
		return fmt.Errorf("unknown version %d", k.Version)
	}
	if _, err := age.ParseX25519Recipient(k.Recipient); err != nil {
		return err
	}
	for name, field := range map[string]struct {
		value string
		size  int
	}{
		"repository id": {k.Repository, 16}, "authority": {k.Authority, ed25519.PublicKeySize},
		"id key": {k.IDKey, idKeySize}, "signing key": {k.SigningKey, ed25519.SeedSize},
		"certificate": {k.Certificate, ed25519.SignatureSize},
	} {
		if raw, err := hex.DecodeString(field.value); err != nil || len(raw) != field.size {
			return fmt.Errorf("%s is not %d hexadecimal digits", name, 2*field.size)
		}
	}
	return k.Chunker.check()
}

// Encode is the file that holds the key.
func (k *HostKey) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(k, "", "  ")
	return append(data, '\n'), err
}

// Save writes the key into a folder of such keys, which is made when it is not
// there. Nobody but the owner can read either.
func (k *HostKey) Save(folder string) error {
	data, err := k.Encode()
	if err != nil {
		return fmt.Errorf("write host key: %w", err)
	}
	if err := os.MkdirAll(folder, dirPerm); err != nil {
		return fmt.Errorf("write host key: %w", err)
	}
	if err := hostfs.WriteFile(filepath.Join(folder, k.Repository+hostKeySuffix), data, filePerm); err != nil {
		return fmt.Errorf("write host key: %w", err)
	}
	return k.moveIn(folder)
}

// moveIn takes the location from a repository that was there before.
func (k *HostKey) moveIn(folder string) error {
	if k.Location == "" {
		return nil
	}
	return eachHostKey(folder, func(other *HostKey) error {
		if other.Repository == k.Repository || other.Location != k.Location {
			return nil
		}
		other.Location = ""
		return other.Save(folder)
	})
}

// LoadHostKey reads a file that others must not be able to read.
func LoadHostKey(path string) (*HostKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read host key: %s has mode %04o: others can read it", path, info.Mode().Perm())
	}
	data, err := readSmallFile(path)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	k, err := ParseHostKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// findHostKey finds the key for the repository at a location: by the location
// where it was when this host was enrolled, else by the id that it claims to have.
func findHostKey(folder, location, id string) (*HostKey, error) {
	if folder == "" {
		return nil, nil
	}
	var byPlace, byID *HostKey
	err := eachHostKey(folder, func(k *HostKey) error {
		if k.Location != "" && k.Location == location {
			byPlace = k
		}
		if k.Repository == id {
			byID = k
		}
		return nil
	})
	if byPlace != nil {
		return byPlace, err
	}
	return byID, err
}

func eachHostKey(folder string, visit func(*HostKey) error) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read host keys: %w", err)
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), hostKeySuffix)
		if raw, err := hex.DecodeString(name); !ok || err != nil || len(raw) != 16 {
			continue
		}
		k, err := LoadHostKey(filepath.Join(folder, entry.Name()))
		if err == nil {
			err = visit(k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// PinError tells that a repository is not the one that this host was enrolled
// for: somebody may have put another in its place, to be given the next backup.
type PinError struct {
	Repository string // id of the one that was
	What       string // differs
}

func (e *PinError) Error() string {
	return fmt.Sprintf("is not repository %.8s, for which this host has a key: %s", e.Repository, e.What)
}

// pinned compares what a repository says with what this host knows.
func (k *HostKey) pinned(c Config) error {
	differs := func(what string) error { return &PinError{Repository: k.Repository, What: what} }
	switch {
	case c.ID != k.Repository:
		return differs("it has another id")
	case c.Encryption == nil:
		return differs("it is not encrypted")
	case c.Encryption.Recipient != k.Recipient:
		return differs("it names another repository key")
	case c.Encryption.Authority != k.Authority:
		return differs("it names another authority")
	case c.Chunker != k.Chunker:
		return differs("it has other chunk lengths")
	}
	return nil
}
