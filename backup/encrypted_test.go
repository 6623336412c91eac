package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup/repo"
	"davit/engine/enginetest"
)

// sealedHost is a host that writes into an encrypted repository, and what its owner
// keeps elsewhere.
type sealedHost struct {
	dir      string
	identity *age.X25519Identity
}

// newSealedHost makes an encrypted repository for one holder.
func newSealedHost(t testing.TB) *sealedHost {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	h := &sealedHost{dir: t.TempDir(), identity: id}
	r, err := repo.InitEncrypted(h.dir+"/repo", h.options(nil), []repo.KeyHolder{{Name: id.Recipient().String(), Recipient: id.Recipient()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *sealedHost) options(ids []age.Identity) repo.Options {
	return repo.Options{Host: "testhost", HostKeys: h.dir + "/keys", Identities: func() ([]age.Identity, error) { return ids, nil }}
}

// env opens the repository with the identities given: with none, as a host does
// that can only write.
func (h *sealedHost) env(t testing.TB, eng Engine, ids ...age.Identity) *Env {
	t.Helper()
	r, err := repo.Open(h.dir+"/repo", h.options(ids))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Env{
		Repo: r, Engine: eng, Host: "testhost", Version: "test", StateDir: h.dir + "/state", CacheDir: h.dir + "/cache",
		Now: time.Now, Rand: strings.NewReader(strings.Repeat("0123456789", 1000)),
	}
}

func (h *sealedHost) reader(t testing.TB) *Env { return h.env(t, nil, h.identity) }

// settledClock is ahead, so that what was written a moment ago is old enough for the
// cache to trust it: two seconds.
func settledClock() func() time.Time {
	return func() time.Time { return time.Now().Add(3 * time.Second) }
}

// A host with nothing but its own key saves, and saves again reading nothing and
// storing nothing again; a file that changes costs that file and its neighbours, though
// the host can read no catalog; a lost cache makes it read, not store. All of it
// restores.
func TestHostThatOnlyWrites(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	for i := range 400 {
		write(t, fmt.Sprintf("%s/%d/f%d", src, i%7, i), strings.Repeat(fmt.Sprintf("line %d of it\n", i), 300))
	}
	write(t, src+"/big", strings.Repeat("0123456789abcdef", 1<<18))
	o := CreateOptions{Selection: Selection{Paths: []string{src}}}
	run := func() *Report {
		env := h.env(t, nil)
		env.Now = settledClock()
		return create(t, env, o)
	}
	first := run()
	if first.Totals.BytesRead == 0 || first.Totals.Stored == 0 {
		t.Fatalf("first: %+v", first.Totals)
	}
	if second := run(); second.Totals.BytesRead != 0 || second.Totals.BytesNew != 0 {
		t.Errorf("nothing changed: %+v", second.Totals)
	}
	write(t, src+"/3/f3", "another content")
	third := run()
	if got := third.Totals; got.BytesRead == 0 || got.BytesRead > first.Totals.BytesRead/4 || got.BytesNew > first.Totals.BytesNew/4 {
		t.Errorf("one small file changed: %+v", got)
	}
	if err := os.RemoveAll(h.dir + "/cache"); err != nil {
		t.Fatal(err)
	}
	if got := run().Totals; got.BytesRead == 0 || got.BytesNew != 0 {
		t.Errorf("the cache was lost: %+v", got)
	}
	out := restoreTo(t, h.reader(t), "latest:path/"+EncodeName(src))
	same(t, "restored", describe(t, src), describe(t, out))
	report, err := Verify(context.Background(), h.reader(t), VerifyOptions{ReadData: true})
	if err != nil || report.Err() != nil || report.Snapshots != 4 {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

// The catalogs that a host keeps of what it cannot read again may be damaged or
// gone: then it reads the files again.
func TestHostThatOnlyWritesLosesCatalogs(t *testing.T) {
	enginetest.NeedRoot(t)
	for _, tc := range []struct {
		name   string
		damage func(path string) error
	}{
		{"gone", os.Remove},
		{"damaged", func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 500)), 0o600) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newSealedHost(t)
			src := t.TempDir()
			for i := range 50 {
				write(t, fmt.Sprintf("%s/f%d", src, i), strings.Repeat(fmt.Sprint(i), 20_000))
			}
			o := CreateOptions{Selection: Selection{Paths: []string{src}}}
			env := h.env(t, nil)
			env.Now = settledClock()
			create(t, env, o)
			kept, err := filepath.Glob(h.dir + "/cache/trees/*/*.catalogs/*")
			if err != nil || len(kept) == 0 {
				t.Fatalf("catalogs: %v, %v", kept, err)
			}
			for _, path := range kept {
				if err := tc.damage(path); err != nil {
					t.Fatal(err)
				}
			}
			write(t, src+"/f7", "changed")
			create(t, env, o)
			same(t, tc.name, describe(t, src), describe(t, restoreTo(t, h.reader(t), "latest:path/"+EncodeName(src))))
		})
	}
}

// Whoever can read the repository and nothing else finds no name and no content in
// it, also after everything was done to it with the key at hand.
func TestNothingReadableInEncryptedRepository(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir() + "/secretfolder"
	const content = "a sentence that nobody else is to read. "
	write(t, src+"/secretname", strings.Repeat(content, 100))
	write(t, src+"/secretbig", strings.Repeat(content, 100_000))
	env := h.reader(t)
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{src}}})
	if err := env.Repo.WriteIndexJSON(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := env.Repo.RebuildIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(env.Repo.Dir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, word := range []string{"secret", content[:20], "path/", "AGE-SECRET-KEY"} {
			if strings.Contains(string(data), word) {
				t.Errorf("%s holds %q", path, word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Without a key, with a wrong one and with a key that was removed, what needs it says
// so; what does not, works.
func TestEncryptedWithoutKey(t *testing.T) {
	enginetest.NeedRoot(t)
	h := newSealedHost(t)
	src := t.TempDir()
	write(t, src+"/a", "one")
	create(t, h.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{src}}})
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	spec := "latest:path/" + EncodeName(src)
	ctx := t.Context()
	needKey := map[string]func(*Env) error{
		"show":         func(env *Env) error { _, err := Show(ctx, env, ShowOptions{Spec: "latest"}); return err },
		"show an item": func(env *Env) error { _, err := Show(ctx, env, ShowOptions{Spec: spec}); return err },
		"files":        func(env *Env) error { return Files(ctx, env, spec, Query{}, func(FileInfo) error { return nil }) },
		"restore": func(env *Env) error {
			_, err := PlanRestore(ctx, env, RestoreOptions{Spec: spec, To: t.TempDir() + "/x"})
			return err
		},
		"verify":  func(env *Env) error { _, err := Verify(ctx, env, VerifyOptions{}); return err },
		"add key": func(env *Env) error { _, err := env.Repo.AddKey(ctx, repo.KeyHolder{}); return err },
		"enroll":  func(env *Env) error { _, err := env.Repo.Enroll("x"); return err },
	}
	for name, do := range needKey {
		if err := do(h.env(t, nil)); !errors.Is(err, repo.ErrKeyNeeded) {
			t.Errorf("%s without a key: %v", name, err)
		}
		var wrong *repo.KeyError
		if err := do(h.env(t, nil, stranger)); !errors.As(err, &wrong) {
			t.Errorf("%s with a wrong key: %v", name, err)
		}
	}
	env := h.env(t, nil)
	list, err := List(ctx, env.Repo, Query{})
	if err != nil || len(list) != 1 || list[0].Items[Sealed] != 1 || list[0].Files != 1 {
		t.Errorf("ls: %+v, %v", list, err)
	}
	if usage, err := env.Repo.Usage(ctx); err != nil || usage.Needed.Blobs == 0 || usage.Needed != usage.Stored {
		t.Errorf("stats: %+v, %v", usage, err)
	}
	if result, err := env.Repo.RebuildIndex(ctx); err != nil || len(result.Missing) > 0 || result.Records == 0 {
		t.Errorf("repair: %+v, %v", result, err)
	}
	id := list[0].ID
	if gone, err := env.Repo.Forget(ctx, func([]repo.Snapshot) ([]string, error) { return []string{id}, nil }); err != nil || len(gone) != 1 {
		t.Errorf("forget: %v, %v", gone, err)
	}
	if back, err := env.Repo.Undelete(ctx, []string{id}); err != nil || len(back) != 1 {
		t.Errorf("undelete: %v, %v", back, err)
	}
	if result, err := env.Repo.GC(ctx, repo.GCOptions{}); err != nil || result.Removed.Blobs != 0 {
		t.Errorf("gc: %+v, %v", result, err)
	}
	same(t, "after all that", describe(t, src), describe(t, restoreTo(t, h.reader(t), spec)))
}

// withAge puts the age command, of the library that this project encrypts with, into the PATH.
func withAge(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/age", "filippo.io/age/cmd/age").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func restoreEncryptedByShell(t *testing.T, dir, snapshot, item, identity string) (string, []byte, error) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dst, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", repo.EncryptedRestoreLines, "restore", snapshot, item, dst, identity)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return dst, out, err
}

// The lines of doc.go restore an encrypted tree with age, jq, zstd and tar alone;
// with a wrong identity or a damaged chunk they fail.
func TestEncryptedRestoreLines(t *testing.T) {
	enginetest.NeedRoot(t)
	withAge(t)
	h := newSealedHost(t)
	src := t.TempDir()
	for i := range 30 {
		write(t, fmt.Sprintf("%s/d%d/f\n%d", src, i%3, i), strings.Repeat(fmt.Sprint(i), 30_000))
	}
	write(t, src+"/big", strings.Repeat("0123456789abcdef", 1<<18))
	report := create(t, h.env(t, nil), CreateOptions{Selection: Selection{Paths: []string{src}}})
	identity := filepath.Join(t.TempDir(), "id")
	write(t, identity, h.identity.String()+"\n")
	item := FormatItem(KindPath, src)
	dir := h.dir + "/repo"
	item = itemName(t, h, item)
	dst, out, err := restoreEncryptedByShell(t, dir, report.Snapshot, item, identity)
	if err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	same(t, "by shell", describe(t, src), describe(t, dst))
	if _, out, err := restoreEncryptedByShell(t, dir, report.Snapshot, "volume/other", identity); err == nil {
		t.Errorf("an item that is not there: %s", out)
	}
	other := filepath.Join(t.TempDir(), "other")
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(t, other, stranger.String()+"\n")
	if _, out, err := restoreEncryptedByShell(t, dir, report.Snapshot, item, other); err == nil || !strings.Contains(string(out), "opens none") {
		t.Errorf("a wrong identity: %v: %s", err, out)
	}
	env := h.reader(t)
	victim := blobFile(env, pickBlobs(t, env).chunk)
	data, err := os.ReadFile(victim)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(victim, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, out, err := restoreEncryptedByShell(t, dir, report.Snapshot, item, identity); err == nil {
		t.Errorf("a damaged chunk: %s", out)
	}
}

// itemName is the name of the only item, as the root document has it.
func itemName(t *testing.T, h *sealedHost, shown string) string {
	t.Helper()
	snap, err := h.reader(t).Repo.Find(t.Context(), "latest", repo.Query{})
	if err != nil || len(snap.Items) != 1 {
		t.Fatalf("%s: %+v, %v", shown, snap, err)
	}
	return snap.Items[0].Desc.Annotations["org.opencontainers.image.ref.name"]
}
