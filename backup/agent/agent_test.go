package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// connect starts an agent in this process, and speaks with it over pipes.
func connect(t testing.TB, rules Rules) *Client {
	t.Helper()
	if rules.Skip == nil {
		rules.Skip = func([]string) func(string, string) bool { return func(string, string) bool { return false } }
	}
	if rules.Enter == nil {
		rules.Enter = func(string) string { return "" }
	}
	if rules.Now == nil {
		rules.Now = later
	}
	fromClient, toAgent := io.Pipe()
	fromAgent, toClient := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Serve(fromClient, toClient, "test", rules)
		toClient.Close()
		ended <- err
	}()
	c, err := Connect(t.Context(), fromAgent, toAgent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		toAgent.Close()
		c.Wait()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return c
}

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
	r, err := repo.Init(filepath.Join(t.TempDir(), "repo"), repo.Options{Now: time.Now, Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := r.Begin(t.Context(), repo.SessionInfo{Host: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(session.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	return store{r, session}
}

// later is a clock by which every file came to rest long ago.
func later() time.Time { return time.Now().Add(200 * 365 * 24 * time.Hour) }

func save(t testing.TB, s store, tree chunk.Tree, cache *chunk.Cache) *chunk.Result {
	t.Helper()
	result, err := chunk.NewSaver(s, chunk.Options{Params: chunk.DefaultParams(), Now: later}).Save(t.Context(), tree, cache, chunk.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func open(t testing.TB, c *Client, path string) *Place {
	t.Helper()
	p, err := c.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func local(t testing.TB, dir string) chunk.Tree {
	t.Helper()
	root, err := hostfs.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return chunk.Local(root)
}

func item(t testing.TB, s store, parts []ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	desc, err := repo.BuildTreeItem(t.Context(), s, parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

// A far tree gives the very stream that the same folder gives here, all kinds of files included; the second time
// nothing is read; and what an agent restores is the same tree.
func TestTreeEqualsLocal(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	enginetest.BuildTree(t, src)
	enginetest.AddHugeSparse(t, filepath.Join(src, "huge"))
	s, c := newStore(t), connect(t, Rules{})
	want := save(t, s, local(t, src), chunk.OpenCache("", ""))
	tree := open(t, c, src).Tree(TreeOptions{})
	cache := chunk.OpenCache("", "")
	got := save(t, s, tree, cache)
	if !reflect.DeepEqual(got.Parts, want.Parts) {
		t.Errorf("parts %v, want %v", got.Parts, want.Parts)
	}
	if got.Stats.BytesRead != want.Stats.BytesRead || len(got.Problems) != len(want.Problems) {
		t.Errorf("%+v %v, want %+v %v", got.Stats, got.Problems, want.Stats, want.Problems)
	}
	again := save(t, s, tree, cache)
	if !reflect.DeepEqual(again.Parts, want.Parts) || again.Stats.BytesRead != 0 {
		t.Errorf("the second time %d bytes are read", again.Stats.BytesRead)
	}

	dst := filepath.Join(t.TempDir(), "dst")
	if err := os.Mkdir(dst, 0o700); err != nil {
		t.Fatal(err)
	}
	place := open(t, c, dst)
	if !place.Empty || place.Free < 100<<20 || place.Inodes == 0 {
		t.Errorf("an empty folder is %+v", place)
	}
	result, err := place.Restore(t.Context(), s, item(t, s, got.Parts), "", nil)
	if err != nil || len(result.Problems) > 0 || result.Bytes == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	was, err := enginetest.DescribeTree(src)
	if err != nil {
		t.Fatal(err)
	}
	is, err := enginetest.DescribeTree(dst)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range was.Diff(is) {
		t.Error(line)
	}
	if open(t, c, dst).Empty {
		t.Error("a full folder is called empty")
	}
}

// What is excluded does not travel, a single file is saved without its folder's other files, and one entry is restored
// alone.
func TestSelection(t *testing.T) {
	src := t.TempDir()
	for _, name := range []string{"a", "b.tmp", "c/d"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(src, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := connect(t, Rules{Skip: func(patterns []string) func(string, string) bool {
		return func(_, name string) bool { return len(patterns) == 1 && strings.HasSuffix(name, patterns[0]) }
	}})
	walk := func(p *Place, o TreeOptions) string {
		var names []string
		err := p.Tree(o).Walk(t.Context(), hostfs.WalkOptions{}, func(e *hostfs.Entry) error {
			names = append(names, e.Path())
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return strings.Join(names, " ")
	}
	if got := walk(open(t, c, src), TreeOptions{Exclude: []string{".tmp"}}); got != " a c c/d" {
		t.Errorf("walk gives %q", got)
	}
	file := open(t, c, filepath.Join(src, "a"))
	if got := walk(file, TreeOptions{}); got != " a" || file.File != "a" {
		t.Errorf("a file gives %q, %q", file.File, got)
	}
	s := newStore(t)
	desc := item(t, s, save(t, s, open(t, c, src).Tree(TreeOptions{}), chunk.OpenCache("", "")).Parts)
	dst := t.TempDir()
	if _, err := open(t, c, dst).Restore(t.Context(), s, desc, "c/d", nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dst, "d")); err != nil || string(data) != "c/d" {
		t.Errorf("%q, %v", data, err)
	}
	var missing *os.PathError
	if _, err := c.Open(t.Context(), filepath.Join(dst, "nonexistent")); !errors.Is(err, os.ErrNotExist) || errors.As(err, &missing) {
		t.Errorf("a missing folder is %v", err)
	}
}

// A damaged blob ends a far restore as it ends one here.
func TestRestoreDamaged(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "a"), bytes.Repeat([]byte("davit"), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	s, c := newStore(t), connect(t, Rules{})
	result := save(t, s, local(t, src), chunk.OpenCache("", ""))
	layers, err := chunk.Layers(t.Context(), s, result.Parts[0])
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(s.Dir(), "blobs", strings.Replace(layers[0].Digest.String(), ":", "/", 1))
	if err := errors.Join(os.Chmod(blob, 0o600), os.WriteFile(blob, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, c, t.TempDir()).Restore(t.Context(), s, item(t, s, result.Parts), "", nil)
	var damaged *repo.DamagedError
	if !errors.As(err, &damaged) {
		t.Errorf("%v, want *repo.DamagedError", err)
	}
}
