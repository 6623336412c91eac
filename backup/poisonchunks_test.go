package backup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// Here somebody stores under the ids of chunks what they do not name.

// enrollOther gives another host a key for the same repository.
func (h *sealedHost) enrollOther(t *testing.T, name string) *sealedHost {
	t.Helper()
	key, err := h.reader(t).Repo.Enroll(name)
	if err != nil {
		t.Fatal(err)
	}
	other := &sealedHost{dir: t.TempDir(), identity: h.identity}
	if err := key.Save(other.dir + "/keys"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(h.dir+"/repo", other.dir+"/repo"); err != nil {
		t.Fatal(err)
	}
	return other
}

// openAs opens the repository as a host of that name.
func (h *sealedHost) openAs(t *testing.T, name string, ids ...age.Identity) *repo.Repository {
	t.Helper()
	o := h.options(ids)
	o.Host = name
	r, err := repo.Open(h.dir+"/repo", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// idsOf lists the chunks that a backup of src would store, by making it in a copy of
// the repository.
func (h *sealedHost) idsOf(t *testing.T, src string) []repo.Blob {
	t.Helper()
	twin := &sealedHost{dir: t.TempDir(), identity: h.identity}
	for _, sub := range []string{"repo", "keys"} {
		if err := os.CopyFS(twin.dir+"/"+sub, os.DirFS(h.dir+"/"+sub)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range glob(t, twin.dir+"/keys/*") {
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(key, ".json") {
			edit(t, key, func(k map[string]any) { delete(k, "location") })
		}
	}
	twin.save(t, src)
	env := twin.reader(t)
	snap, err := env.Repo.Find(t.Context(), "latest", repo.Query{})
	if err != nil {
		t.Fatal(err)
	}
	var blobs []repo.Blob
	err = repo.WalkParts(t.Context(), env.Repo, snap.Items[0].Desc, func(part ocispec.Descriptor) error {
		layers, err := chunk.Layers(t.Context(), env.Repo, part)
		blobs = append(blobs, layers...)
		return err
	})
	if err != nil || len(blobs) == 0 {
		t.Fatalf("%d chunks, %v", len(blobs), err)
	}
	return blobs
}

// A host publishes rubbish under the ids of what another is about to save. The other
// does not take it for stored, and what it saves restores.
func TestPoisonedIDs(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	for i := range 40 {
		write(t, fmt.Sprintf("%s/f%d", src, i), strings.Repeat(fmt.Sprint(i), 20_000))
	}
	write(t, src+"/state", "state 1")
	ids := h.idsOf(t, src)

	evil := h.enrollOther(t, "evil").openAs(t, "evil")
	session, err := evil.Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range ids {
		rubbish, err := evil.Seal(nil, []byte("rubbish"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.Put(t.Context(), b.ID, b.Len, rubbish); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(session.Sync(t.Context()), session.Close()); err != nil {
		t.Fatal(err)
	}

	if got := h.save(t, src).Totals.BytesNew; got == 0 {
		t.Error("all was taken for stored")
	}
	for _, b := range h.idsOf(t, src) {
		if !slices.ContainsFunc(ids, func(p repo.Blob) bool { return p.ID == b.ID }) {
			t.Fatalf("chunk %s was not poisoned: the test proves nothing", b.ID)
		}
	}
	out, err := tryRestore(t, h.reader(t), "latest:path/"+EncodeName(src))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "restored", describe(t, src), describe(t, out))
	report, err := Verify(t.Context(), h.reader(t), VerifyOptions{ReadData: true})
	if err != nil || report.Err() != nil {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

// A snapshot that refers to rubbish, by whatever way, is found by verify and not
// restored.
func TestPoisonIsNotRestored(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	write(t, src+"/state", "state 1")
	ids := h.idsOf(t, src)
	r := h.openAs(t, "testhost")
	session, err := r.Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range ids { // this host itself was made to store it: same length, another content
		rubbish, err := r.Seal(nil, enc.EncodeAll(make([]byte, b.Len), nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := session.Put(t.Context(), b.ID, b.Len, rubbish); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(session.Sync(t.Context()), session.Close()); err != nil {
		t.Fatal(err)
	}
	h.save(t, src)
	var damaged *repo.DamagedError
	if _, err := tryRestore(t, h.reader(t), "latest:path/"+EncodeName(src)); !errors.As(err, &damaged) || !strings.Contains(damaged.Reason, "id says") {
		t.Errorf("restore: %v", err)
	}
	report, err := Verify(t.Context(), h.reader(t), VerifyOptions{ReadData: true})
	var damage *DamageError
	if err != nil || !errors.As(report.Err(), &damage) {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

// Hosts find each other's chunks once somebody who can read them has attested them; a
// run that was cut short finds its own.
func TestAttestedChunks(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	write(t, src+"/state", strings.Repeat("state", 100_000))
	report := create(t, h.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{src}}})
	other := h.enrollOther(t, "other")
	stored := func(r *repo.Repository) int64 {
		env := h.env(t, nil)
		env.Repo, env.Host, env.CacheDir = r, "other", ""
		return create(t, env, CreateOptions{Selection: Selection{Paths: []string{src}}, Job: fmt.Sprint(time.Now().UnixNano())}).Totals.BytesNew
	}
	if stored(other.openAs(t, "other")) == 0 {
		t.Error("another host's chunks are taken for stored, though nobody looked at them")
	}
	third := h.enrollOther(t, "other")
	if _, err := Verify(t.Context(), h.env(t, nil, h.identity), VerifyOptions{Spec: report.Snapshot, ReadData: true, Attest: true}); err != nil {
		t.Fatal(err)
	}
	if n := stored(third.openAs(t, "other")); n != 0 {
		t.Errorf("%d bytes stored again that were attested", n)
	}
	if _, err := Verify(t.Context(), h.env(t, nil, h.identity), VerifyOptions{Attest: true}); err == nil {
		t.Error("attested without reading")
	}

	r := h.openAs(t, "testhost")
	session, err := r.Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("of a run that was cut short")
	sealed, err := r.Seal(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Put(t.Context(), r.ContentID(plain), int64(len(plain)), sealed); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(session.Sync(t.Context()), session.Close()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"testhost": true, "other": false} {
		host := h
		if name == "other" {
			host = other
		}
		again := host.openAs(t, name)
		session, err := again.Begin(t.Context(), repo.SessionInfo{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := again.Lookup(again.ContentID(plain)); ok != want {
			t.Errorf("%s finds it: %v, want %v", name, ok, want)
		}
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
