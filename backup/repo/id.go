package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// ID names content by its plain bytes: their SHA-256. It is what deduplication
// asks for, whatever the bytes look like once stored.
type ID [sha256.Size]byte

// String is the id as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what ID.String writes.
func ParseID(s string) (ID, error) {
	var id ID
	if err := parseHex(id[:], s); err != nil {
		return ID{}, fmt.Errorf("parse id %q: %w", s, err)
	}
	return id, nil
}

// Digest names a blob by its stored bytes: their SHA-256.
type Digest [sha256.Size]byte

// DigestOf is the digest of stored bytes.
func DigestOf(stored []byte) Digest { return sha256.Sum256(stored) }

// String is the digest as OCI writes it: "sha256:" and 64 hexadecimal digits.
func (d Digest) String() string { return digestPrefix + d.Hex() }

// Hex is the digest without its algorithm, which is also the blob's file name.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// OCI is the digest in the type that OCI descriptors hold.
func (d Digest) OCI() digest.Digest { return digest.Digest(d.String()) }

const digestPrefix = "sha256:"

// ParseDigest reads "sha256:" and 64 lower-case hexadecimal digits; any other
// algorithm or spelling is an error.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	rest, found := strings.CutPrefix(s, digestPrefix)
	if !found {
		return Digest{}, fmt.Errorf("parse digest %q: not a sha256 digest", s)
	}
	if err := parseHex(d[:], rest); err != nil {
		return Digest{}, fmt.Errorf("parse digest %q: %w", s, err)
	}
	return d, nil
}

// parseHex accepts one spelling only, since these strings become file names.
func parseHex(dst []byte, s string) error {
	if len(s) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("want %d digits, got %d", hex.EncodedLen(len(dst)), len(s))
	}
	if strings.ToLower(s) != s {
		return fmt.Errorf("want lower-case digits")
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}

// Blob is one file of the repository and the content it holds.
type Blob struct {
	ID     ID     // of the plain bytes
	Digest Digest // of the stored bytes
	Len    int64  // plain bytes
	Stored int64  // stored bytes
}

// Raw tells that the blob's bytes are the content itself and no encoding of it:
// manifests, catalogs, configs, image layers kept as they came. Data that
// happens to equal such a blob has the same id, so whoever wants an encoded
// chunk must not take a raw blob for one.
func (b Blob) Raw() bool { return b.ID == ID(b.Digest) }
