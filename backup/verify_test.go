package backup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// blobFile is where a blob of the test's repository lies.
func blobFile(env *Env, d repo.Digest) string {
	return filepath.Join(env.Repo.Dir(), "blobs", "sha256", d.Hex())
}

// Damage of each kind of blob is found, and told with the snapshot, the item and the files that it hits.
func TestVerifyFindsDamage(t *testing.T) {
	verifyFindsDamage(t, func(t *testing.T) *Env { return testEnv(t, nil) })
}

func TestVerifyFindsDamageEncrypted(t *testing.T) {
	enginetest.NeedRoot(t)
	verifyFindsDamage(t, func(t *testing.T) *Env { return newSealedHost(t).reader(t) })
}

func verifyFindsDamage(t *testing.T, newEnv func(t *testing.T) *Env) {
	t.Helper()
	flip := func(t *testing.T, path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 0x40
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, path string) {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 3); err != nil {
			t.Fatal(err)
		}
	}
	type blobs struct{ chunk, part, index, snapshot repo.Digest }
	for _, tc := range []struct {
		name     string
		pick     func(blobs) repo.Digest
		damage   func(*testing.T, string)
		readData bool
		found    bool
		files    []string // of the hit
	}{
		{name: "nothing", found: false, readData: true, damage: func(*testing.T, string) {}, pick: func(b blobs) repo.Digest { return b.chunk }},
		{name: "a chunk with another byte, not read", damage: flip, pick: func(b blobs) repo.Digest { return b.chunk }},
		{name: "a chunk with another byte", damage: flip, readData: true, found: true, files: []string{"", "a", "b"}, pick: func(b blobs) repo.Digest { return b.chunk }},
		{name: "a chunk that is gone", damage: remove, found: true, files: []string{"", "a", "b"}, pick: func(b blobs) repo.Digest { return b.chunk }},
		{name: "a chunk cut short", damage: cut, found: true, files: []string{"", "a", "b"}, pick: func(b blobs) repo.Digest { return b.chunk }},
		{name: "a part manifest", damage: flip, found: true, pick: func(b blobs) repo.Digest { return b.part }},
		{name: "an item index that is gone", damage: remove, found: true, pick: func(b blobs) repo.Digest { return b.index }},
		{name: "a snapshot index", damage: flip, found: true, pick: func(b blobs) repo.Digest { return b.snapshot }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/a", "one")
			write(t, dir+"/b", "two")
			env := newEnv(t)
			create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}}})
			b := pickBlobs(t, env)
			victim := tc.pick(b)
			tc.damage(t, blobFile(env, victim))
			report, err := Verify(context.Background(), env, VerifyOptions{ReadData: tc.readData})
			if err != nil {
				t.Fatal(err)
			}
			var damage *DamageError
			if errors.As(report.Err(), &damage) != tc.found {
				t.Fatalf("found: %v, want %v", report.Err(), tc.found)
			}
			if !tc.found {
				if report.Snapshots != 1 || report.Items != 1 || report.Blobs == 0 {
					t.Errorf("report: %+v", report)
				}
				return
			}
			if len(report.Damaged) != 1 || report.Damaged[0].Digest != victim.String() || len(report.Damaged[0].Hits) != 1 {
				t.Fatalf("damaged: %+v, want %s", report.Damaged, victim)
			}
			hit := report.Damaged[0].Hits[0]
			if hit.Snapshot == "" || !slices.Equal(hit.Files, tc.files) {
				t.Errorf("hit: %+v, want files %q", hit, tc.files)
			}
		})
	}
}

// pickBlobs names one blob of each kind of the latest snapshot.
func pickBlobs(t *testing.T, env *Env) (b struct{ chunk, part, index, snapshot repo.Digest }) {
	t.Helper()
	ctx := context.Background()
	snap, err := env.Repo.Find(ctx, "latest", repo.Query{})
	if err != nil {
		t.Fatal(err)
	}
	b.snapshot = snap.Digest
	it := snap.Items[slices.IndexFunc(snap.Items, func(it repo.Item) bool { return isTree(it.Kind) })]
	b.index, err = repo.ParseDigest(it.Desc.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	index, err := repo.ReadIndex(ctx, env.Repo, it.Desc)
	if err != nil {
		t.Fatal(err)
	}
	if b.part, err = repo.ParseDigest(index.Manifests[0].Digest.String()); err != nil {
		t.Fatal(err)
	}
	layers, err := chunk.Layers(ctx, env.Repo, index.Manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	b.chunk = layers[0].Digest
	return b
}

// One damaged chunk that two snapshots share hits both.
func TestVerifyNamesEverySnapshot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "one")
	env := testEnv(t, nil)
	for range 2 {
		create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}}})
	}
	if err := os.Remove(blobFile(env, pickBlobs(t, env).chunk)); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(context.Background(), env, VerifyOptions{})
	if err != nil || len(report.Damaged) != 1 || len(report.Damaged[0].Hits) != 2 {
		t.Errorf("report: %+v, %v", report, err)
	}
	one, err := Verify(context.Background(), env, VerifyOptions{Spec: "latest"})
	if err != nil || len(one.Damaged) != 1 || len(one.Damaged[0].Hits) != 1 {
		t.Errorf("report of one snapshot: %+v, %v", one, err)
	}
}
