package repo

import (
	"bytes"
	"context"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// What doc.go shows is what the other tests run.
func TestDocShowsRestoreLines(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := doc.NewFromFiles(files, []*ast.File{file}, "davit/backup/repo")
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range []string{RestoreLines, EncryptedRestoreLines} {
		indented := "\t" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n\t") + "\n"
		if !strings.Contains(pkg.Doc, "\n"+indented) {
			t.Errorf("doc.go does not show\n%s", indented)
		}
	}
}

// restoreByShell runs the lines as a user would.
func restoreByShell(t *testing.T, r *Repository, name, dst string) ([]byte, error) {
	t.Helper()
	if err := os.MkdirAll(dst, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", RestoreLines, "restore", name, dst)
	cmd.Dir = r.Dir()
	return cmd.CombinedOutput()
}

// A tree of several nested indexes comes back by shell alone, file by file;
// what is missing is an error and not a shorter tree.
func TestRestoreLines(t *testing.T) {
	for _, tool := range []string{"jq", "zstd", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the lines need %s: %v", tool, err)
		}
	}
	src := t.TempDir()
	for _, name := range []string{"a", "b/c", "b/odd name\nwith newline", "big"} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, bytes.Repeat([]byte(name), 20_000))
	}
	r := newRepo(t)
	s := begin(t, r)
	item, part := saveByTar(t, s, src)
	snap := commit(t, s, Snapshot{Complete: true, Items: []Item{item}})
	for _, name := range []string{"volume/pgdata", snap.ID + "/volume/pgdata"} {
		dst := t.TempDir()
		if out, err := restoreByShell(t, r, name, dst); err != nil || len(out) > 0 {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
		if out, err := exec.Command("diff", "-r", src, dst).CombinedOutput(); err != nil {
			t.Errorf("%s differs: %s", name, out)
		}
	}
	if out, err := restoreByShell(t, r, "volume/other", t.TempDir()); err == nil {
		t.Errorf("an item that is not there: %s", out)
	}
	layer := makeMissing(t, r, part)
	if out, err := restoreByShell(t, r, "volume/pgdata", t.TempDir()); err == nil || !strings.Contains(string(out), layer) {
		t.Errorf("with a chunk missing: %v: %s", err, out)
	}
	if err := os.Remove(blobFile(r, digestOfDesc(t, part))); err != nil {
		t.Fatal(err)
	}
	if out, err := restoreByShell(t, r, "volume/pgdata", t.TempDir()); err == nil {
		t.Errorf("with a part missing: %s", out)
	}
}

// saveByTar stores a folder as GNU tar writes it, in chunks of 10 kB, and
// returns the item and one of its parts.
func saveByTar(t *testing.T, s *Session, src string) (Item, ocispec.Descriptor) {
	t.Helper()
	stream, err := exec.Command("tar", "-c", "--format=pax", "-C", src, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	var parts []ocispec.Descriptor
	for len(stream) > 0 {
		plain := stream[:min(10_000, len(stream))]
		stream = stream[len(plain):]
		part, err := putPart(context.Background(), s, chunk{
			id: ID(DigestOf(plain)), plain: int64(len(plain)), stored: enc.EncodeAll(plain, nil),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	desc, err := indexWriter{store: s, maxChildren: 3}.put(t.Context(), parts, ArtifactTypeTree, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Item{Kind: KindVolume, Name: "pgdata", Desc: desc}, parts[len(parts)/2]
}

func digestOfDesc(t *testing.T, desc ocispec.Descriptor) Digest {
	t.Helper()
	d, err := ParseDigest(desc.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// makeMissing removes a part's first chunk and returns its file name.
func makeMissing(t *testing.T, r *Repository, part ocispec.Descriptor) string {
	t.Helper()
	manifest, err := ReadManifest(t.Context(), r, part)
	if err != nil {
		t.Fatal(err)
	}
	d := digestOfDesc(t, manifest.Layers[0])
	if err := os.Remove(blobFile(r, d)); err != nil {
		t.Fatal(err)
	}
	return d.Hex()
}
