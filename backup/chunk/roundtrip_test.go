package chunk_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// store is a repository with an open session, as a pass sees it.
type store struct {
	*repo.Repository
	session *repo.Session
}

func (s store) Put(ctx context.Context, id repo.ID, n int64, stored []byte) (repo.Blob, error) {
	return s.session.Put(ctx, id, n, stored)
}

func (s store) PutBlob(ctx context.Context, data []byte) (repo.Digest, error) {
	return s.session.PutBlob(ctx, data)
}

func newStore(t testing.TB) store {
	t.Helper()
	return newStoreAt(t, filepath.Join(t.TempDir(), "repo"))
}

func newStoreAt(t testing.TB, dir string) store {
	t.Helper()
	r, err := repo.Init(dir, repo.Options{Now: time.Now, Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return openStore(t, r)
}

// newEncryptedStores makes an encrypted repository and opens it twice: as a host that
// cannot decrypt, and as its owner.
func newEncryptedStores(t testing.TB, dir string) (writer, reader store) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	o := repo.Options{Now: time.Now, Host: "test", HostKeys: t.TempDir()}
	r, err := repo.InitEncrypted(dir, o, []repo.KeyHolder{{Name: "owner", Recipient: id.Recipient()}})
	if err != nil {
		t.Fatal(err)
	}
	o.Identities = func() ([]age.Identity, error) { return []age.Identity{id}, nil }
	owner, err := repo.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return openStore(t, r), openStore(t, owner)
}

func openStore(t testing.TB, r *repo.Repository) store {
	t.Helper()
	session, err := r.Begin(t.Context(), repo.SessionInfo{Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return store{r, session}
}

func openRoot(t testing.TB, path string) *hostfs.Root {
	t.Helper()
	root, err := hostfs.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func options() chunk.Options {
	return chunk.Options{Params: chunk.DefaultParams(), Now: time.Now}
}

// save stores the tree at path and returns its item.
func save(t testing.TB, s store, path string, cache *chunk.Cache, o chunk.SaveOptions) (*chunk.Result, ocispec.Descriptor) {
	t.Helper()
	result, err := chunk.NewSaver(s, options()).Save(t.Context(), chunk.Local(openRoot(t, path)), cache, o)
	if err != nil {
		t.Fatal(err)
	}
	item, err := repo.BuildTreeItem(t.Context(), s, result.Parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result, item
}

func restore(t testing.TB, s store, item ocispec.Descriptor, o chunk.RestoreOptions) string {
	t.Helper()
	dst := t.TempDir()
	result, err := chunk.Restore(t.Context(), s, item, openRoot(t, dst), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range result.Problems {
		t.Errorf("restore: %+v", p)
	}
	return dst
}

func describe(t testing.TB, path string) enginetest.Tree {
	t.Helper()
	tree, err := enginetest.DescribeTree(path)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// A tree with everything a file system can hold comes back as it was, with all
// its metadata.
func TestRoundTrip(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	enginetest.BuildTree(t, src)
	s := newStore(t)
	result, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
	for _, p := range result.Problems {
		t.Errorf("save: %+v", p)
	}
	dst := restore(t, s, item, chunk.RestoreOptions{})
	for _, line := range describe(t, src).Diff(describe(t, dst)) {
		t.Error(line)
	}
}

// A target whose default ACL, group and set-group-ID bit everything in it would
// inherit changes nothing.
func TestRestoreInheritsNothing(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	enginetest.BuildTree(t, src)
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
	for name, prepare := range map[string]func(string) error{
		"ACL": func(dir string) error {
			return exec.Command("setfacl", "-d", "-m", "u:1234:rwx", dir).Run()
		},
		"group": func(dir string) error {
			if err := os.Chown(dir, 7, 8); err != nil {
				return err
			}
			return unix.Chmod(dir, unix.S_ISGID|0o777)
		},
	} {
		dst := t.TempDir()
		if err := prepare(dst); err != nil {
			t.Fatal(err)
		}
		if _, err := chunk.Restore(t.Context(), s, item, openRoot(t, dst), chunk.RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, line := range describe(t, src).Diff(describe(t, dst)) {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// A restore of many folders leaves no descriptor open.
func TestRestoreClosesFolders(t *testing.T) {
	src := t.TempDir()
	for i := range 300 {
		if err := os.MkdirAll(filepath.Join(src, fmt.Sprint(i), "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
	restore(t, s, item, chunk.RestoreOptions{})
	before := openFiles(t)
	restore(t, s, item, chunk.RestoreOptions{})
	if after := openFiles(t); after > before+10 {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
