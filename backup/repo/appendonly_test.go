package repo

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

// A host whose key may add only makes snapshots, and leaves index.json to others. What removes is refused before anything
// is done, and by the server when it is tried nevertheless. Whoever has stolen the key can write over files, but not take
// away what was in them: the owner brings it back.
func TestAppendOnly(t *testing.T) {
	owner, host := storagetest.S3AppendOnly(t)
	initOn(t, owner)
	r, err := OpenIn(t.Context(), host.Connect(t), Options{Host: "web", AppendOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var snaps []Snapshot
	for seed := range uint64(2) {
		s := begin(t, r)
		snaps = append(snaps, commitTree(t, s, "v", seed))
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for what, do := range map[string]func() error{
		"forget": func() error {
			_, err := r.Forget(t.Context(), func([]Snapshot) ([]string, error) { return []string{snaps[0].ID}, nil })
			return err
		},
		"gc":         func() error { _, err := r.GC(t.Context(), GCOptions{}); return err },
		"undelete":   func() error { _, err := r.Undelete(t.Context(), []string{snaps[0].ID}); return err },
		"repair":     func() error { _, err := r.RebuildIndex(t.Context()); return err },
		"index.json": func() error { return r.WriteIndexJSON(t.Context()) },
	} {
		if err := do(); !errors.Is(err, ErrAppendOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	checkWhole(t, openOn(t, owner, "owner"))

	attack(t, host, owner)
	rescueVersions(t, owner)
	if got := checkWhole(t, openOn(t, owner, "owner")); len(got) != 2 {
		t.Errorf("%d snapshots are left", len(got))
	}
	if err := openOn(t, owner, "owner").WriteIndexJSON(t.Context()); err != nil {
		t.Error(err)
	}
}

// s3Client talks to a server as somebody does who has a key, past davit.
func s3Client(t *testing.T, at storagetest.Server) *minio.Client {
	t.Helper()
	address, _, _ := strings.Cut(strings.TrimPrefix(at.URL, "s3://http://"), "/")
	client, err := minio.New(address, &minio.Options{
		Creds: credentials.NewStaticV4(at.Env["AWS_ACCESS_KEY_ID"], at.Env["AWS_SECRET_ACCESS_KEY"], ""), Region: "us-east-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// versions lists all objects, the newest version of each first.
func versions(t *testing.T, at storagetest.Server) (list []minio.ObjectInfo) {
	t.Helper()
	for o := range s3Client(t, at).ListObjects(t.Context(), "bucket", minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		list = append(list, o)
	}
	return list
}

// attack does with a host's key all that can be tried against what is there: what removes is denied, and files are
// written over.
func attack(t *testing.T, host, owner storagetest.Server) {
	t.Helper()
	client := s3Client(t, host)
	store := host.Connect(t)
	defer store.Close()
	n := 0
	for o := range client.ListObjects(t.Context(), "bucket", minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		n++
		if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{}); !storage.IsDenied(err) {
			t.Errorf("remove %s: %v", o.Key, err)
		}
		if _, err := client.PutObject(t.Context(), "bucket", o.Key, strings.NewReader("rubbish"), 7, minio.PutObjectOptions{}); err != nil {
			t.Errorf("write over %s: %v", o.Key, err)
		}
	}
	for _, o := range versions(t, owner) {
		if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID}); !storage.IsDenied(err) {
			t.Errorf("remove a version of %s: %v", o.Key, err)
		}
	}
	if n < 10 {
		t.Errorf("only %d objects: the test proves nothing", n)
	}
	if err := client.SuspendVersioning(t.Context(), "bucket"); !storage.IsDenied(err) {
		t.Errorf("suspend versioning: %v", err)
	}
	if err := client.SetBucketPolicy(t.Context(), "bucket", ""); !storage.IsDenied(err) {
		t.Errorf("remove the policy: %v", err)
	}
}

// rescueVersions removes, as the owner, the newest version of what was written over.
func rescueVersions(t *testing.T, owner storagetest.Server) {
	t.Helper()
	client := s3Client(t, owner)
	list := versions(t, owner)
	for _, o := range list {
		older := slices.ContainsFunc(list, func(other minio.ObjectInfo) bool { return other.Key == o.Key && other.VersionID != o.VersionID })
		if !o.IsLatest || !older {
			continue
		}
		if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID}); err != nil {
			t.Errorf("remove the newest version of %s: %v", o.Key, err)
		}
	}
}
