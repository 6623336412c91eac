package chunk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"davit/backup/chunk"
	"davit/engine/enginetest"
)

// A tool that shares no code with davit finds no difference, and GNU tar reads
// the stream to the same tree.
func TestOtherToolsAgree(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	enginetest.BuildTree(t, src)
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
	for name, dst := range map[string]string{
		"davit": restore(t, s, item, chunk.RestoreOptions{}),
		"tar":   untar(t, s, item),
	} {
		out, err := exec.Command("rsync", "-aHAXSnc", "--delete", "--itemize-changes", src+"/", dst+"/").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: rsync: %v\n%s", name, err, out)
		}
	}
}

// A sparse file above 8 GiB goes out and back without its holes being read or
// written.
func TestHugeSparse(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	enginetest.AddHugeSparse(t, filepath.Join(src, "huge"))
	s := newStore(t)
	result, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})
	if result.Stats.Bytes < 8<<30 || result.Stats.BytesRead > 64<<20 {
		t.Errorf("%d bytes seen, %d read", result.Stats.Bytes, result.Stats.BytesRead)
	}
	dst := restore(t, s, item, chunk.RestoreOptions{})
	for _, line := range describe(t, src).Diff(describe(t, dst)) {
		t.Error(line)
	}
}

// A socket is named and no failure, and what lies beside it is not read again.
func TestSocket(t *testing.T) {
	src := t.TempDir()
	enginetest.AddSocket(t, filepath.Join(src, "sock"))
	if err := os.WriteFile(filepath.Join(src, "z"), []byte("after"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	cache := chunk.OpenCache("", "")
	result, item := save(t, s, src, cache, chunk.SaveOptions{})
	for _, r := range []*chunk.Result{saveLater(t, s, src, cache, chunk.SaveOptions{}), saveLater(t, s, src, cache, chunk.SaveOptions{})} {
		if len(r.Problems) != 1 || r.Problems[0].Kind != chunk.Socket || !r.Problems[0].Harmless() {
			t.Errorf("problems %+v", r.Problems)
		}
		result = r
	}
	if result.Stats.BytesRead != 0 {
		t.Errorf("%d bytes read again", result.Stats.BytesRead)
	}
	named := false
	err := chunk.Files(t.Context(), s, item, func(e *chunk.Entry) error {
		named = named || e.Path == "sock" && e.Kind == chunk.KindSocket
		return nil
	})
	if err != nil || !named {
		t.Errorf("socket in the catalog: %v, %v", named, err)
	}
}

// One file or folder comes out of a tree under its own name, with the content of
// hard links whose first name is elsewhere.
func TestRestorePart(t *testing.T) {
	src := t.TempDir()
	for path, content := range map[string]string{"a/first": "linked", "b/base/1": "one", "b/base/2": "two", "b/base-not": "no"} {
		full := filepath.Join(src, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"b/base/link", "b/base/link2"} {
		if err := os.Link(filepath.Join(src, "a/first"), filepath.Join(src, name)); err != nil {
			t.Fatal(err)
		}
	}
	big := make([]byte, 20<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(filepath.Join(src, "b/base/big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	_, item := save(t, s, src, chunk.OpenCache("", ""), chunk.SaveOptions{})

	dst := restore(t, s, item, chunk.RestoreOptions{Path: "b/base"})
	entries, err := os.ReadDir(dst)
	if err != nil || len(entries) != 1 || entries[0].Name() != "base" {
		t.Fatalf("restored %v, %v", entries, err)
	}
	for name, want := range map[string]string{"1": "one", "2": "two", "link": "linked", "link2": "linked", "big": string(big)} {
		got, err := os.ReadFile(filepath.Join(dst, "base", name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	one := restore(t, s, item, chunk.RestoreOptions{Path: "b/base/1"})
	if got, err := os.ReadFile(filepath.Join(one, "1")); err != nil || string(got) != "one" {
		t.Errorf("single file: %q, %v", got, err)
	}
	_, err = chunk.Restore(t.Context(), s, item, openRoot(t, t.TempDir()), chunk.RestoreOptions{Path: "b/nothing"})
	if _, ok := err.(*chunk.NotFoundError); !ok {
		t.Errorf("a path that is not there: %v", err)
	}
}
