package backup

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// The repository that the first release wrote is restored by every later one, byte for byte and
// with all metadata. scripts/goldentree.sh tells what is in it.
func TestGoldenRepository(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := filepath.Join(t.TempDir(), "repo")
	if err := os.CopyFS(dir, os.DirFS("../testdata/repository-v1")); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(dir, repo.Options{Now: time.Now, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	restoresGolden(t, r)
}

// The same for the first encrypted one, by davit and by the shell lines of doc.go.
func TestGoldenEncryptedRepository(t *testing.T) {
	enginetest.NeedRoot(t)
	withAge(t)
	const identity = "../testdata/repository-encrypted-v1.identity"
	dir := filepath.Join(t.TempDir(), "repo")
	if err := os.CopyFS(dir, os.DirFS("../testdata/repository-encrypted-v1")); err != nil {
		t.Fatal(err)
	}
	secrets := repo.Secrets{Files: []string{identity}}
	r, err := repo.Open(dir, repo.Options{Now: time.Now, ReadOnly: true, Identities: secrets.Reader(t.Context(), os.Stderr)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	item := restoresGolden(t, r)
	snap, err := r.Find(t.Context(), "8214a0fa", repo.Query{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(identity)
	if err != nil {
		t.Fatal(err)
	}
	dst, out, err := restoreEncryptedByShell(t, dir, snap.ID, item.Desc.Annotations["org.opencontainers.image.ref.name"], file)
	if err != nil || len(out) > 0 {
		t.Fatalf("by shell: %v: %s", err, out)
	}
	got, err := enginetest.DescribeTree(dst)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range goldenTree(t).Diff(got) {
		t.Errorf("by shell: %s", line)
	}
}

// restoresGolden compares the only item of a golden repository with what it was made
// from.
func restoresGolden(t *testing.T, r *repo.Repository) repo.Item {
	t.Helper()
	snapshots, err := r.Snapshots(t.Context())
	if err != nil || len(snapshots) != 1 || len(snapshots[0].Items) != 1 {
		t.Fatalf("%+v, %v", snapshots, err)
	}
	dst := t.TempDir()
	root, err := hostfs.OpenRoot(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	result, err := chunk.Restore(t.Context(), r, snapshots[0].Items[0].Desc, root, chunk.RestoreOptions{})
	if err != nil || len(result.Problems) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	got, err := enginetest.DescribeTree(dst)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range goldenTree(t).Diff(got) {
		t.Error(line)
	}
	return snapshots[0].Items[0]
}

// goldenTree is the tree that the golden repository was made from, made again.
func goldenTree(t *testing.T) enginetest.Tree {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "golden")
	if out, err := exec.Command("../scripts/goldentree.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tree, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
