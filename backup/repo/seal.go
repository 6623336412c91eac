package repo

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// An age file of one X25519 recipient, made and opened in one piece of memory. The
// age library works on streams: for a hundred thousand short files its buffers cost
// more than the encryption. Keys are still wrapped and unwrapped by the library, each
// file has a key of its own, and age -d opens what is made here.

const (
	// ageMagic begins every age file.
	ageMagic = "age-encryption.org/v1\n"
	// What an age file of one X25519 recipient has beside its content: the header
	// and nonce, and a tag for each 64 KiB.
	ageHeader = 168
	ageHead   = ageHeader + ageNonce
	ageNonce  = 16
	ageTag    = chacha20poly1305.Overhead
	ageChunk  = 64 * kib
	ageKey    = 16

	stanzaPrefix = "-> X25519 "
	macPrefix    = "---"
)

var headerText = base64.RawStdEncoding.Strict()

// sealedSize is the length of what seal makes of n bytes.
func sealedSize(n int64) int64 {
	return ageHead + n + ageTag*max(1, (n+ageChunk-1)/ageChunk)
}

// unsealedSize is the inverse of sealedSize.
func unsealedSize(stored int64) (int64, bool) {
	payload := stored - ageHead
	chunks := max(1, (payload+ageChunk+ageTag-1)/(ageChunk+ageTag))
	n := payload - ageTag*chunks
	return n, n >= 0 && sealedSize(n) == stored
}

// sealTo encrypts data for a recipient into dst[:0].
func sealTo(to *ecdh.PublicKey, dst, data []byte) ([]byte, error) {
	var secret [ageKey + ageNonce]byte
	if _, err := io.ReadFull(rand.Reader, secret[:]); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	key, nonce := secret[:ageKey], secret[ageKey:]
	share, wrapped, err := wrapFileKey(to, key)
	if err != nil {
		return nil, err
	}
	if size := int(sealedSize(int64(len(data)))); cap(dst) < size {
		dst = make([]byte, 0, size)
	}
	dst = append(append(dst[:0], ageMagic...), stanzaPrefix...)
	dst = append(headerText.AppendEncode(dst, share), '\n')
	dst = append(headerText.AppendEncode(dst, wrapped), '\n')
	dst = append(dst, macPrefix...)
	mac, err := headerMAC(key, dst)
	if err != nil {
		return nil, err
	}
	dst = append(headerText.AppendEncode(append(dst, ' '), mac), '\n')
	stream, err := payloadCipher(key, nonce)
	if err != nil {
		return nil, err
	}
	dst = append(dst, nonce...)
	for counter := uint64(0); ; counter++ {
		n := min(len(data), ageChunk)
		last := n == len(data)
		dst = stream.Seal(dst, chunkNonce(counter, last), data[:n], nil)
		if data = data[n:]; last {
			return dst, nil
		}
	}
}

// unsealWith decrypts what sealTo made into dst[:0].
func unsealWith(key *ecdh.PrivateKey, dst, sealed []byte) ([]byte, error) {
	size, ok := unsealedSize(int64(len(sealed)))
	if !ok {
		return nil, errors.New("is of an impossible length")
	}
	fileKey, err := openHeader(key, sealed[:ageHeader])
	if err != nil {
		return nil, err
	}
	stream, err := payloadCipher(fileKey, sealed[ageHeader:ageHead])
	if err != nil {
		return nil, err
	}
	if int64(cap(dst)) < size {
		dst = make([]byte, 0, size)
	}
	dst = dst[:0]
	payload := sealed[ageHead:]
	for counter := uint64(0); ; counter++ {
		n := min(len(payload), ageChunk+ageTag)
		last := n == len(payload)
		if dst, err = stream.Open(dst, chunkNonce(counter, last), payload[:n], nil); err != nil {
			return nil, fmt.Errorf("piece %d: %w", counter+1, err)
		}
		if payload = payload[n:]; last {
			return dst, nil
		}
	}
}

// openHeader finds the key of a file.
func openHeader(key *ecdh.PrivateKey, header []byte) ([]byte, error) {
	bad := errors.New("has no header of one X25519 recipient")
	rest, found := bytes.CutPrefix(header, []byte(ageMagic+stanzaPrefix))
	share, rest, line := bytes.Cut(rest, []byte("\n"))
	body, rest, end := bytes.Cut(rest, []byte("\n"))
	text, tail := bytes.CutPrefix(rest, []byte(macPrefix+" "))
	text, newline := bytes.CutSuffix(text, []byte("\n"))
	if !found || !line || !end || !tail || !newline {
		return nil, bad
	}
	var fields [3][]byte
	for i, field := range [...][]byte{share, body, text} {
		var err error
		if fields[i], err = headerText.AppendDecode(nil, field); err != nil {
			return nil, bad
		}
	}
	fileKey, err := unwrapFileKey(key, fields[0], fields[1])
	if err != nil {
		return nil, err
	}
	want, err := headerMAC(fileKey, header[:len(header)-len(rest)+len(macPrefix)])
	if err == nil && !hmac.Equal(fields[2], want) {
		err = errors.New("its header is not what was written")
	}
	return fileKey, err
}

func headerMAC(key, header []byte) ([]byte, error) {
	macKey, err := hkdf.Key(sha256.New, key, nil, "header", sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(header)
	return mac.Sum(nil), nil
}

func payloadCipher(key, nonce []byte) (cipher.AEAD, error) {
	payloadKey, err := hkdf.Key(sha256.New, key, nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(payloadKey)
}

// chunkNonce is that of one 64 KiB piece.
func chunkNonce(counter uint64, last bool) []byte {
	var nonce [chacha20poly1305.NonceSize]byte
	binary.BigEndian.PutUint64(nonce[3:11], counter)
	if last {
		nonce[11] = 1
	}
	return nonce[:]
}
