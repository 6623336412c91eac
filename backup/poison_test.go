package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

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
