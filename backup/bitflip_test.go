package backup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup/repo"
	"davit/engine"
	"davit/engine/enginetest"
)

// flippable is a host with a repository in which there is a file of every kind.
type flippable struct {
	base    string // repo, keys, state, cache
	src     string
	options repo.Options
}

func (f *flippable) open(t *testing.T) (*Env, error) {
	t.Helper()
	r, err := repo.Open(f.base+"/repo", f.options)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = r.Close() })
	return &Env{
		Repo: r, Host: "testhost", Version: "test", StateDir: f.base + "/state", CacheDir: f.base + "/cache", Now: time.Now,
		Engine: &fakeEngine{volumes: []engine.Volume{{Name: "v", Driver: "local", Mountpoint: f.src}}},
		Rand:   strings.NewReader(strings.Repeat("0123456789", 1000)),
	}, nil
}

// newFlippable makes snapshots of a tree and a definition, forgotten ones, removals that are done and announced, blobs that
// nobody needs, and a session; and, if it is encrypted, keys and attestations.
func newFlippable(t *testing.T, encrypted bool) *flippable {
	t.Helper()
	f := &flippable{base: t.TempDir(), src: t.TempDir()}
	f.options = repo.Options{Host: "testhost", HostKeys: f.base + "/keys"}
	var r *repo.Repository
	var err error
	if encrypted {
		h := newSealedHost(t)
		f.base, f.options = h.dir, h.options([]age.Identity{h.identity})
	} else if r, err = repo.Init(f.base+"/repo", f.options); err != nil {
		t.Fatal(err)
	} else if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, f.src+"/small", "one")
	write(t, f.src+"/big", strings.Repeat("0123456789abcdef", 100_000))
	env, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		write(t, f.src+"/state", fmt.Sprint("state ", i))
		report := create(t, env, CreateOptions{Selection: Selection{Volumes: []string{"v"}}})
		if i == 2 {
			break
		}
		if _, err := env.Repo.Forget(t.Context(), func([]repo.Snapshot) ([]string, error) { return []string{report.Snapshot}, nil }); err != nil {
			t.Fatal(err)
		}
		for range 2 - i { // condemns, and the first time removes
			if _, err := env.Repo.GC(t.Context(), repo.GCOptions{Grace: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	session, err := env.Repo.Begin(t.Context(), repo.SessionInfo{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	if report, err := Verify(t.Context(), env, VerifyOptions{ReadData: true, Attest: encrypted}); err != nil || report.Err() != nil || len(report.Notes) > 0 {
		t.Fatalf("before a bit was flipped: %+v, %v", report, err)
	}
	return f
}

// files lists those of the repository that hold something, by kind: the folder and the ending.
func (f *flippable) files(t *testing.T) map[string][]string {
	t.Helper()
	kinds := map[string][]string{}
	root := os.DirFS(f.base + "/repo")
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err != nil || info.Size() == 0 {
			return err // the marks of a removal
		}
		kind := filepath.Dir(name) + "/*" + filepath.Ext(name)
		if parts := strings.Split(name, "/"); strings.HasPrefix(name, "davit/gc/") {
			kind = "davit/gc/*/" + parts[3]
		}
		kinds[kind] = append(kinds[kind], name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// found tells whether verify finds what is wrong and names the file, or the snapshot whose ref it is.
func (f *flippable) found(t *testing.T, name string) error {
	t.Helper()
	stem := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	env, err := f.open(t)
	if err != nil {
		if !strings.Contains(err.Error(), "config") && !strings.Contains(err.Error(), "is not repository") {
			return fmt.Errorf("open does not name it: %w", err)
		}
		return nil
	}
	report, err := Verify(t.Context(), env, VerifyOptions{ReadData: true})
	if err != nil {
		if !strings.Contains(err.Error(), stem) {
			return fmt.Errorf("verify does not name it: %w", err)
		}
		return nil
	}
	for _, d := range report.Damaged {
		if strings.Contains(d.Digest, stem) || slices.ContainsFunc(d.Hits, func(h Hit) bool { return h.Snapshot == stem }) {
			return nil
		}
	}
	if !slices.ContainsFunc(report.Notes, func(n string) bool { return strings.Contains(n, stem) }) {
		return fmt.Errorf("verify finds nothing: %+v", report)
	}
	return nil
}

// A bit that is flipped anywhere in a repository is found by verify and named, and what is restored is what was saved, or
// nothing.
func TestBitFlips(t *testing.T) {
	enginetest.NeedRoot(t)
	common := []string{
		"./*", "./*.json", "blobs/sha256/*", "davit/*.json", "davit/refs/*.json", "davit/index/*.idx", "davit/sessions/*.json",
		"davit/tombstones/*.json", "davit/gc/*/condemned",
	}
	for encrypted, kinds := range map[bool][]string{
		false: append(slices.Clone(common), "davit/gc/*/rescue"), true: append(slices.Clone(common), "davit/keys/*.age", "davit/keys/*.json", "davit/attested/*.json"),
	} {
		t.Run(fmt.Sprintf("encrypted=%v", encrypted), func(t *testing.T) {
			t.Parallel()
			f := newFlippable(t, encrypted)
			files := f.files(t)
			for _, kind := range kinds {
				if len(files[kind]) == 0 {
					t.Errorf("there is no file of the kind %s: the test proves nothing of it", kind)
				}
			}
			want := describe(t, f.src)
			for kind, names := range files {
				if !slices.Contains(kinds, kind) {
					t.Errorf("%s is a new kind of file", kind)
				}
				for i, name := range names {
					f.flip(t, name, i, want)
				}
			}
		})
	}
}

// flip flips one bit after the other of a file, at its beginning, in the middle and at its end; of a kind of which there are many
// one for each file.
func (f *flippable) flip(t *testing.T, name string, i int, want enginetest.Tree) {
	t.Helper()
	path := f.base + "/repo/" + name
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	places := []int{0, len(data) / 2, len(data) - 1}
	if strings.HasPrefix(name, "blobs/") {
		places = places[i%len(places):][:1]
	}
	for _, at := range places {
		changed := slices.Clone(data)
		changed[at] ^= 1 << (at % 7)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.found(t, name); err != nil {
			t.Errorf("%s, byte %d of %d: %v", name, at, len(data), err)
		}
		env, err := f.open(t)
		if err == nil {
			var out string
			if out, err = tryRestore(t, env, "latest:volume/v"); err == nil {
				same(t, name, want, describe(t, out))
			}
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
