package repo

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// Wrapping the key of a file as https://c2sp.org/age#the-x25519-recipient-type has it.
// The age library multiplies twice as often, as x/crypto's curve25519 computes the public
// key of every scalar anew: 3.5 % of the processor time of an encrypted backup.

const fileKeyInfo = "age-encryption.org/v1/X25519"

// keyText is Bech32 without the sum at the end, which age has checked.
var keyText = base32.NewEncoding("qpzry9x8gf2tvdw0s3jn54khce6mua7l").WithPadding(base32.NoPadding)

func keyBytes(text string) ([]byte, error) {
	const sum = 6
	_, data, found := strings.Cut(text[:max(0, len(text)-sum)], "1")
	if !found {
		return nil, errors.New("is no key of age")
	}
	return keyText.DecodeString(data)
}

// publicKey is that of a recipient.
func publicKey(r *age.X25519Recipient) (*ecdh.PublicKey, error) {
	raw, err := keyBytes(r.String())
	if err != nil {
		return nil, err
	}
	return ecdh.X25519().NewPublicKey(raw)
}

// privateKey is that of an identity. Its public half is at hand in it.
func privateKey(i *age.X25519Identity) (*ecdh.PrivateKey, error) {
	_, text, found := strings.Cut(i.String(), "AGE-SECRET-KEY-")
	if !found {
		return nil, errors.New("is no identity of age")
	}
	raw, err := keyBytes(strings.ToLower(text))
	if err != nil {
		return nil, err
	}
	return ecdh.X25519().NewPrivateKey(raw)
}

// wrapFileKey returns the share that goes into the header, and the wrapped key.
func wrapFileKey(to *ecdh.PublicKey, fileKey []byte) (share, wrapped []byte, err error) {
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	secret, err := ephemeral.ECDH(to)
	if err != nil {
		return nil, nil, err
	}
	share = ephemeral.PublicKey().Bytes()
	wrapping, err := wrappingCipher(secret, share, to)
	if err != nil {
		return nil, nil, err
	}
	return share, wrapping.Seal(nil, make([]byte, chacha20poly1305.NonceSize), fileKey, nil), nil
}

// unwrapFileKey is the inverse of wrapFileKey.
func unwrapFileKey(key *ecdh.PrivateKey, share, wrapped []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(share)
	if err != nil {
		return nil, err
	}
	secret, err := key.ECDH(public)
	if err != nil {
		return nil, err
	}
	wrapping, err := wrappingCipher(secret, share, key.PublicKey())
	if err != nil {
		return nil, err
	}
	if len(wrapped) != ageKey+ageTag { // a longer one could open under several keys
		return nil, errors.New("its key is of another length")
	}
	fileKey, err := wrapping.Open(nil, make([]byte, chacha20poly1305.NonceSize), wrapped, nil)
	if err != nil {
		return nil, errors.New("is for another key")
	}
	return fileKey, nil
}

// wrappingCipher may be used once with a nonce of zeros: no share comes twice.
func wrappingCipher(secret, share []byte, to *ecdh.PublicKey) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, slices.Concat(share, to.Bytes()), fileKeyInfo, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}
