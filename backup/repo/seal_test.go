package repo

import (
	"bytes"
	"crypto/ecdh"
	"io"
	"math/rand/v2"
	"testing"

	"filippo.io/age"
)

func newIdentity(t testing.TB) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicOf(t testing.TB, key *age.X25519Identity) *ecdh.PublicKey {
	t.Helper()
	public, err := publicKey(key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func privateOf(t testing.TB, key *age.X25519Identity) *ecdh.PrivateKey {
	t.Helper()
	private, err := privateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// What is sealed here age opens, and the other way round; another byte anywhere is
// noticed, and so are another length and another key.
func TestSealIsAge(t *testing.T) {
	key := newIdentity(t)
	for _, n := range []int{0, 1, 100, ageChunk - 1, ageChunk, ageChunk + 1, 3 * ageChunk, 5*ageChunk + 7} {
		data := bytes.Repeat([]byte{byte(n), 3}, n/2+1)[:n]
		sealed, err := sealTo(publicOf(t, key), make([]byte, 0, 50), data)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(sealed)) != sealedSize(int64(n)) {
			t.Errorf("%d bytes sealed are %d, not %d", n, len(sealed), sealedSize(int64(n)))
		}
		r, err := age.Decrypt(bytes.NewReader(sealed), key)
		if err != nil {
			t.Fatalf("age opens %d bytes: %v", n, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Errorf("age reads %d bytes of %d: %v", len(got), n, err)
		}
		for from, sealed := range map[string][]byte{"sealTo": sealed, "age": sealByAge(t, key, data)} {
			if got, err := unsealWith(privateOf(t, key), nil, sealed); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes of %s: %v", n, from, err)
			}
		}
		rejectsChanges(t, key, sealed)
	}
}

func sealByAge(t *testing.T, key *age.X25519Identity, data []byte) []byte {
	t.Helper()
	var made bytes.Buffer
	w, err := age.Encrypt(&made, key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

func rejectsChanges(t *testing.T, key *age.X25519Identity, sealed []byte) {
	t.Helper()
	places := []int{0, len(ageMagic) + 12, ageHeader - 2, ageHeader - 1, ageHead - 1, len(sealed) - 1}
	for range 20 {
		places = append(places, rand.IntN(len(sealed)))
	}
	for _, at := range places {
		changed := bytes.Clone(sealed)
		changed[at] ^= 1
		if _, err := unsealWith(privateOf(t, key), nil, changed); err == nil {
			t.Errorf("byte %d of %d changed: not noticed", at, len(sealed))
		}
	}
	for _, other := range [][]byte{nil, sealed[:len(sealed)-1], sealed[:ageHead], append(bytes.Clone(sealed), 0), sealed[1:]} {
		if _, err := unsealWith(privateOf(t, key), nil, other); err == nil {
			t.Errorf("%d bytes instead of %d: not noticed", len(other), len(sealed))
		}
	}
	if len(sealed) > ageHead+ageChunk+2*ageTag {
		if _, err := unsealWith(privateOf(t, key), nil, sealed[:ageHead+ageChunk+ageTag]); err == nil {
			t.Error("whole pieces are missing: not noticed")
		}
	}
	if _, err := unsealWith(privateOf(t, newIdentity(t)), nil, sealed); err == nil {
		t.Error("another key opens it")
	}
}

// Every length has one sealed length, and no other is taken for one.
func TestSealedSize(t *testing.T) {
	for n := range int64(3*ageChunk + 100) {
		if got, ok := unsealedSize(sealedSize(n)); !ok || got != n {
			t.Fatalf("%d: %d, %v", n, got, ok)
		}
	}
	for _, stored := range []int64{-1, 0, ageHead, ageHead + ageTag - 1, sealedSize(ageChunk) + 1, sealedSize(ageChunk) + ageTag} {
		if n, ok := unsealedSize(stored); ok {
			t.Errorf("%d is taken for a sealed length of %d", stored, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	key := newIdentity(b)
	data := make([]byte, 170<<10)
	to, from := publicOf(b, key), privateOf(b, key)
	var sealed, plain []byte
	var err error
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if sealed, err = sealTo(to, sealed, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unseal", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if plain, err = unsealWith(from, plain, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
