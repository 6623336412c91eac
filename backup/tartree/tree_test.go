package tartree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"davit/engine/hostfs"
)

func archive(t *testing.T, headers ...tar.Header) *Tree {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "content of " + h.Name
			h.Size = int64(len(content))
		}
		h.Mode = 0o640
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tree := New("test", t.TempDir(), func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	})
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func walk(t *testing.T, tree *Tree) (string, error) {
	var names []string
	err := tree.Walk(t.Context(), hostfs.WalkOptions{}, func(e *hostfs.Entry) error {
		names = append(names, e.Path())
		return nil
	})
	return strings.Join(names, " "), err
}

// The entries of an archive come in the order of a tree, with their content, whatever order it had; links share an inode.
func TestTree(t *testing.T) {
	dir, reg := byte(tar.TypeDir), byte(tar.TypeReg)
	tree := archive(t,
		tar.Header{Typeflag: dir, Name: "./"}, tar.Header{Typeflag: reg, Name: "./z"}, tar.Header{Typeflag: dir, Name: "./b/"},
		tar.Header{Typeflag: reg, Name: "b/y"}, tar.Header{Typeflag: tar.TypeLink, Name: "./a", Linkname: "b/y"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "./b/l", Linkname: "../z"})
	for range 2 { // each walk asks anew
		if got, err := walk(t, tree); got != " a b b/l b/y z" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	folder, err := tree.OpenFolder("b")
	if err != nil {
		t.Fatal(err)
	}
	f, st, err := folder.OpenRegular("y")
	if err != nil || st.Nlink != 2 || st.Mode != 0o100640 {
		t.Fatalf("%+v, %v", st, err)
	}
	buf := make([]byte, 100)
	if n, err := f.Pread(buf, 0); string(buf[:n]) != "content of b/y" || err != nil {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if link, err := folder.Readlink("l"); link != "../z" || err != nil {
		t.Errorf("%q, %v", link, err)
	}
	if _, _, err := folder.OpenRegular("l"); !errors.Is(err, hostfs.ErrNotRegular) {
		t.Errorf("a symlink opens as %v", err)
	}
}

// An archive that is no folder's is an error.
func TestHostile(t *testing.T) {
	dir, reg := byte(tar.TypeDir), byte(tar.TypeReg)
	for name, headers := range map[string][]tar.Header{
		"up":             {{Typeflag: reg, Name: "../x"}},
		"up again":       {{Typeflag: dir, Name: "a"}, {Typeflag: reg, Name: "a/../../x"}},
		"no folder":      {{Typeflag: reg, Name: "a/b"}},
		"below a file":   {{Typeflag: reg, Name: "a"}, {Typeflag: reg, Name: "a/b"}},
		"below a link":   {{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc"}, {Typeflag: reg, Name: "a/passwd"}},
		"root is a file": {{Typeflag: reg, Name: "./."}},
		"link to none":   {{Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}},
		"link to folder": {{Typeflag: dir, Name: "b"}, {Typeflag: tar.TypeLink, Name: "a", Linkname: "b"}},
		"long name":      {{Typeflag: reg, Name: strings.Repeat("x", 256)}},
	} {
		if got, err := walk(t, archive(t, headers...)); !errors.Is(err, errArchive) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
