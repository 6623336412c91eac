//go:build integration

package repo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// TestInterleavedGC on a server, where locks are tickets and steps wait for it at once.
func TestInterleavedGCOnServer(t *testing.T) { playAll(t, serverPlace(t)) }

// Some of the same games, chosen at random, on a real S3 server and a real SFTP server.
func TestInterleavedGCOnRealServers(t *testing.T) {
	for name, start := range map[string]func() storagetest.Server{
		"s3":   func() storagetest.Server { return storagetest.S3(t) },
		"sftp": func() storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) {
			place := realPlace(start())
			random := enginetest.Random(t)
			const steps = 16 // neither side has as many
			for range enginetest.Rounds(t, 30) {
				sc := scenarios()[random.IntN(len(scenarios()))]
				if random.IntN(4) == 0 {
					cutGame(t, place, sc, random.IntN(steps), random.IntN(steps))
				} else {
					playGame(t, place, sc, random.IntN(steps), random.IntN(steps), random.IntN(steps))
				}
			}
		})
	}
}

// TestWrongClock on real servers.
func TestWrongClockOnRealServers(t *testing.T) {
	for name, start := range map[string]func() storagetest.Server{
		"s3":   func() storagetest.Server { return storagetest.S3(t) },
		"sftp": func() storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) { wrongClocks(t, realPlace(start())) })
	}
}

// realPlace is a server, on which each game has a folder of its own.
func realPlace(server storagetest.Server) gamePlace {
	game, at := 0, server
	connect := func(t *testing.T) storage.Storage { return at.Connect(t) } //nolint:thelper // what it returns is the point
	return gamePlace{again: connect, fresh: func(t *testing.T) storage.Storage {
		t.Helper()
		game++
		at.URL = fmt.Sprintf("%s%d", server.URL, game)
		return connect(t)
	}}
}

// TestBackupsWhileGCSweeps on a real S3 server: two hosts with caches of their own, and one bucket.
func TestBackupsWhileGCSweepsOnS3(t *testing.T) {
	for name, encrypted := range map[string]bool{"clear": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			stress(t, newStressPlace(t, storagetest.S3(t), encrypted), enginetest.Rounds(t, 8))
		})
	}
}

// Where the server locks versions nobody loses a repository, not even to somebody who has stolen the owner's key: what he
// removes comes back. Backups, forgets and removals work there as anywhere.
func TestObjectLock(t *testing.T) {
	at := storagetest.S3ObjectLock(t)
	initOn(t, at)
	r := openOn(t, at, "nas")
	s := begin(t, r)
	lost, kept := commitTree(t, s, "v", 1), commitTree(t, s, "w", 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	forget(t, r, lost.ID)
	if result := collect(t, r, 0); result.Removed.Blobs == 0 {
		t.Errorf("gc removed nothing: %+v", result)
	}
	blobs := 0 // where the server has them is also what they were
	err := r.store.List(t.Context(), storage.BlobFolder, func(storage.Entry) error { blobs++; return nil })
	if needed := collect(t, r, 0).Needed.Blobs; err != nil || blobs != needed {
		t.Errorf("%d blobs are listed, %d are needed: %v", blobs, needed, err)
	}

	client := s3Client(t, at)
	began := versions(t, at)
	for _, o := range began {
		if o.IsDeleteMarker {
			continue
		}
		if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID, GovernanceBypass: true}); err == nil {
			t.Errorf("version %s of %s is gone", o.VersionID, o.Key)
		}
		if o.IsLatest {
			if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{}); err != nil {
				t.Errorf("remove %s: %v", o.Key, err)
			}
		}
	}
	if _, err := OpenIn(t.Context(), at.Connect(t), Options{Host: "nas"}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("open of what was removed: %v", err)
	}
	for _, o := range versions(t, at) {
		was := slices.ContainsFunc(began, func(old minio.ObjectInfo) bool { return old.Key == o.Key && old.VersionID == o.VersionID })
		if o.IsDeleteMarker && !was {
			if err := client.RemoveObject(t.Context(), "bucket", o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID}); err != nil {
				t.Errorf("take back the removal of %s: %v", o.Key, err)
			}
		}
	}
	if snaps := checkWhole(t, openOn(t, at, "owner")); len(snaps) != 1 || snaps[0].ID != kept.ID {
		t.Errorf("came back: %v", snaps)
	}
}

// An account of an SSH server that may not remove makes backups, and can undo none by mistake. It can write over files nevertheless:
// that is no protection from a thief. An account that may not rename can do nothing, and is told so.
func TestSFTPWithoutRemoval(t *testing.T) {
	at := storagetest.SFTP(t, "-P", "remove,rmdir,rename,setstat,fsetstat")
	owner := initAt(t, at.Dir, Options{Host: "owner"})
	host, err := OpenIn(t.Context(), at.Connect(t), Options{Host: "web", AppendOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2) {
		s := begin(t, host)
		commitTree(t, s, "v", 100*seed)
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	careless := openOn(t, at, "web")
	_, err = careless.Forget(t.Context(), func(snaps []Snapshot) ([]string, error) { return []string{snaps[0].ID}, nil })
	if kept := (*storage.KeptError)(nil); !errors.As(err, &kept) {
		t.Errorf("forget: %v", err)
	}
	if _, err := careless.GC(t.Context(), GCOptions{}); !errors.As(err, new(*storage.KeptError)) {
		t.Errorf("gc: %v", err)
	}
	if snaps := checkWhole(t, reopen(t, owner)); len(snaps) != 2 {
		t.Errorf("snapshots: %v", snaps)
	}
	if err := host.store.Put(t.Context(), "oci-layout", []byte("rubbish")); err != nil {
		t.Errorf("write over a file: %v; the README says that this is possible", err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}

	at = storagetest.SFTP(t, "-P", "posix-rename")
	_, err = storage.Connect(t.Context(), at.URL, at.Options(t))
	if unfit := (*storage.UnfitError)(nil); !errors.As(err, &unfit) || !strings.Contains(unfit.Reason, "posix-rename@openssh.com") {
		t.Errorf("an account that may not rename: %v", err)
	}
}
