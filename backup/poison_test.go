package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// The tests below are of somebody who can write what he likes into a repository, and
// in some of them holds the key of a host.

// saveStates makes snapshots of one folder, in which the file state holds the number of
// the snapshot, and returns their ids.
func (h *sealedHost) saveStates(t *testing.T, src string, states ...int) []string {
	t.Helper()
	var ids []string
	for _, n := range states {
		write(t, src+"/state", fmt.Sprintf("state %d", n))
		ids = append(ids, h.save(t, src).Snapshot)
	}
	return ids
}

// save makes a snapshot of one folder as it is, without a key to read.
func (h *sealedHost) save(t *testing.T, src string) *Report {
	t.Helper()
	return create(t, h.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{src}}})
}

// tryRestore restores from the repository into a new folder.
func tryRestore(t *testing.T, env *Env, spec string) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	plan, err := PlanRestore(t.Context(), env, RestoreOptions{Spec: spec, To: dir})
	if err == nil {
		_, err = ApplyRestore(t.Context(), env, plan)
	}
	return dir, err
}

// restoredState is what saveStates wrote, from a restored snapshot.
func restoredState(t *testing.T, dir string) string {
	t.Helper()
	found := glob(t, dir+"/path/*/state")
	if len(found) != 1 {
		t.Fatalf("restored: %q", found)
	}
	return read(t, found[0])
}

func refFile(h *sealedHost, id string) string { return h.dir + "/repo/davit/refs/" + id + ".json" }

// edit changes a JSON file.
func edit(t *testing.T, path string, change func(map[string]any)) {
	t.Helper()
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(read(t, path)), &doc); err != nil {
		t.Fatal(err)
	}
	change(doc)
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A ref that its host did not sign as it is makes no snapshot.
func TestForgedRefs(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, change := range map[string]func(ref map[string]any, old map[string]any){
		"another snapshot's data": func(ref, old map[string]any) { ref["digest"], ref["size"] = old["digest"], old["size"] },
		"another time":            func(ref, _ map[string]any) { ref["time"] = "2030-01-01T00:00:00Z" },
		"another host":            func(ref, _ map[string]any) { ref["host"] = "other" },
		"another sequence":        func(ref, _ map[string]any) { ref["sequence"] = 900 },
		"not signed":              func(ref, _ map[string]any) { delete(ref, "signature") },
		"the signature of another": func(ref, old map[string]any) {
			ref["signature"] = old["signature"]
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSealedHost(t)
			src := t.TempDir()
			ids := h.saveStates(t, src, 1, 2)
			old := map[string]any{}
			if err := json.Unmarshal([]byte(read(t, refFile(h, ids[0]))), &old); err != nil {
				t.Fatal(err)
			}
			edit(t, refFile(h, ids[1]), func(ref map[string]any) { change(ref, old) })
			var forged *repo.ForgedError
			if _, err := tryRestore(t, h.reader(t), ids[1]); !errors.As(err, &forged) {
				t.Errorf("restore by id: %v", err)
			}
			if _, err := tryRestore(t, h.reader(t), "latest"); err == nil {
				t.Error("latest restores an older state without a word")
			}
			if _, err := Verify(t.Context(), h.reader(t), VerifyOptions{}); err == nil {
				report, _ := Verify(t.Context(), h.reader(t), VerifyOptions{})
				if report.Err() == nil {
					t.Error("verify finds nothing")
				}
			}
		})
	}
}

// A key that nobody enrolled signs nothing, and a host cannot sign for another.
func TestRefsOfStrangers(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	h.saveStates(t, src, 1)
	key, err := h.reader(t).Repo.Enroll("evil")
	if err != nil {
		t.Fatal(err)
	}
	evil := *h
	evil.dir = t.TempDir()
	if err := os.Symlink(h.dir+"/repo", evil.dir+"/repo"); err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(k *repo.HostKey){
		"a key that was not enrolled":    func(k *repo.HostKey) { k.SigningKey = strings.Repeat("ab", 32); k.Host = "testhost" },
		"a host that signs for another":  func(k *repo.HostKey) { k.Host = "testhost" },
		"a certificate of somebody else": func(k *repo.HostKey) { k.Certificate = strings.Repeat("cd", 64); k.Host = "testhost" },
	} {
		t.Run(name, func(t *testing.T) {
			forged := *key
			forge(&forged)
			if err := forged.Save(evil.dir + "/keys"); err != nil {
				t.Fatal(err)
			}
			evilSrc := t.TempDir()
			write(t, evilSrc+"/state", "evil")
			plan, err := PlanCreate(t.Context(), evil.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{evilSrc}}})
			if err != nil {
				t.Fatal(err)
			}
			report, err := ApplyCreate(t.Context(), evil.env(t, nil), plan)
			if err == nil {
				_, err = tryRestore(t, h.reader(t), report.Snapshot)
			}
			if err == nil {
				t.Error("a snapshot of a stranger restores")
			}
			for _, path := range glob(t, h.dir+"/repo/davit/refs/*.json") {
				if strings.Contains(read(t, path), forged.Certificate) || strings.Contains(read(t, path), "evil") {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Whatever the repository says of its keys, the next backup is encrypted for nobody
// but those it was made for.
func TestSwappedRecipients(t *testing.T) {
	enginetest.NeedRoot(t)
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	config := func(h *sealedHost) string { return h.dir + "/repo/davit/config.json" }
	for name, swap := range map[string]func(t *testing.T, h *sealedHost){
		"recipient": func(t *testing.T, h *sealedHost) {
			edit(t, config(h), func(c map[string]any) {
				c["encryption"].(map[string]any)["recipient"] = stranger.Recipient().String()
			})
		},
		"authority": func(t *testing.T, h *sealedHost) {
			edit(t, config(h), func(c map[string]any) { c["encryption"].(map[string]any)["authority"] = strings.Repeat("ab", 32) })
		},
		"no encryption": func(t *testing.T, h *sealedHost) {
			edit(t, config(h), func(c map[string]any) { delete(c, "encryption") })
		},
		"no encryption and another id": func(t *testing.T, h *sealedHost) {
			edit(t, config(h), func(c map[string]any) { delete(c, "encryption"); c["id"] = strings.Repeat("12", 16) })
		},
		"chunk lengths": func(t *testing.T, h *sealedHost) {
			edit(t, config(h), func(c map[string]any) { c["chunker"].(map[string]any)["runTarget"] = 8192 })
		},
		"another repository in its place": func(t *testing.T, h *sealedHost) {
			if err := os.RemoveAll(h.dir + "/repo"); err != nil {
				t.Fatal(err)
			}
			r, err := repo.InitEncrypted(h.dir+"/repo", repo.Options{Host: "evil", HostKeys: t.TempDir()},
				[]repo.KeyHolder{{Name: "x", Recipient: stranger.Recipient()}})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"the holders' keys": func(t *testing.T, h *sealedHost) {
			other := newSealedHost(t)
			for _, path := range glob(t, h.dir+"/repo/davit/keys/*.age") {
				if err := os.WriteFile(path, []byte(read(t, glob(t, other.dir+"/repo/davit/keys/*.age")[0])), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSealedHost(t)
			src := t.TempDir()
			h.saveStates(t, src, 1)
			before := len(glob(t, h.dir+"/repo/blobs/sha256/*"))
			swap(t, h)
			r, err := repo.Open(h.dir+"/repo", h.options(nil))
			if name == "the holders' keys" { // which a host that writes does not look at
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				var wrong *repo.KeyError
				if _, err := tryRestore(t, h.reader(t), "latest"); !errors.As(err, &wrong) {
					t.Errorf("restore: %v", err)
				}
				return
			}
			var pin *repo.PinError
			if !errors.As(err, &pin) {
				t.Fatalf("open: %v", err)
			}
			if after := len(glob(t, h.dir+"/repo/blobs/sha256/*")); after > before {
				t.Errorf("%d blobs, %d before", after, before)
			}
		})
	}
}

// Refs that are played back, or taken away, are noticed by who saw what came later.
func TestRollback(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	ids := h.saveStates(t, src, 1, 2)
	older := read(t, refFile(h, ids[1]))
	ids = append(ids, h.saveStates(t, src, 3)...)
	newest := read(t, refFile(h, ids[2]))
	if err := os.Remove(refFile(h, ids[2])); err != nil {
		t.Fatal(err)
	}
	var back *repo.RollbackError
	if _, err := tryRestore(t, h.reader(t), "latest"); !errors.As(err, &back) || back.Seen.ID != ids[2] {
		t.Errorf("the newest is gone: %v", err)
	}
	if _, err := Verify(t.Context(), h.reader(t), VerifyOptions{}); !errors.As(err, &back) {
		t.Errorf("verify: %v", err)
	}
	if out, err := tryRestore(t, h.reader(t), ids[1]); err != nil {
		t.Errorf("by its id: %v", err)
	} else if got := restoredState(t, out); got != "state 2" {
		t.Errorf("by its id: %s", got)
	}
	report := create(t, h.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{src}}})
	if !strings.Contains(strings.Join(report.Notes, "\n"), "set back") {
		t.Errorf("notes of the next run: %q", report.Notes)
	}
	if !strings.Contains(read(t, refFile(h, report.Snapshot)), `"sequence":4`) {
		t.Errorf("the next ref: %s", read(t, refFile(h, report.Snapshot)))
	}
	if err := os.WriteFile(refFile(h, ids[2]), []byte(newest), 0o600); err != nil {
		t.Fatal(err)
	}

	// What was forgotten comes back by undelete, not by somebody who kept the ref.
	env := h.env(t, nil)
	drop := []string{ids[1], ids[2], report.Snapshot}
	if _, err := env.Repo.Forget(t.Context(), func([]repo.Snapshot) ([]string, error) { return drop, nil }); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(refFile(h, ids[1]), []byte(older), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tryRestore(t, h.reader(t), "latest")
	if err != nil {
		t.Fatal(err)
	}
	if got := restoredState(t, out); got != "state 1" {
		t.Errorf("with a forgotten ref put back, latest is %q", got)
	}
	if err := os.Rename(refFile(h, ids[1]), refFile(h, strings.Repeat("0", 16))); err != nil {
		t.Fatal(err)
	}
	if _, err := tryRestore(t, h.reader(t), strings.Repeat("0", 16)); err == nil {
		t.Error("a ref under another name restores")
	}
}

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
