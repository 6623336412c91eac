package repo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
)

// eachBackend runs a test on a folder and on real servers: S3 and SFTP.
func eachBackend(t *testing.T, test func(t *testing.T, at storagetest.Server)) {
	for name, start := range map[string]func(t *testing.T) storagetest.Server{
		"dir":  func(t *testing.T) storagetest.Server { return storagetest.Folder(t) },
		"s3":   func(t *testing.T) storagetest.Server { return storagetest.S3(t) },
		"sftp": func(t *testing.T) storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func openOn(t testing.TB, at storagetest.Server, host string) *Repository {
	t.Helper()
	r, err := OpenIn(t.Context(), at.Connect(t), Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func initOn(t testing.TB, at storagetest.Server) {
	t.Helper()
	r, err := InitIn(t.Context(), at.Connect(t), Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// initInMemory makes a repository on a server that is in this process.
func initInMemory(t testing.TB) *Repository {
	t.Helper()
	store, err := storage.NewRemote(storagetest.NewMemory(), storage.Options{Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := InitIn(t.Context(), store, Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// filesOn counts the blobs where they really are. An S3 server removes folders with nothing in them.
func filesOn(t testing.TB, at storagetest.Server) int {
	t.Helper()
	dir := filepath.Join(at.Dir, filepath.FromSlash(blobDir))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	return len(fileNames(t, dir))
}

// The life of a repository is the same wherever it is: two snapshots, a second host that stores nothing
// twice, forgetting, taking that back, gc; what is left is whole, and nothing else is there.
func TestBackends(t *testing.T) {
	eachBackend(t, func(t *testing.T, at storagetest.Server) {
		if _, err := OpenIn(t.Context(), at.Connect(t), Options{Host: "nas"}); !errors.Is(err, ErrNoRepository) {
			t.Errorf("open of nothing: %v", err)
		}
		initOn(t, at)
		if _, err := InitIn(t.Context(), at.Connect(t), Options{Host: "nas"}); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("init of a repository: %v", err)
		}
		nas, web := openOn(t, at, "nas"), openOn(t, at, "web")
		s := begin(t, nas)
		first, second := commitTree(t, s, "v", 1), commitTree(t, s, "v", 100)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := filesOn(t, at)
		s = begin(t, web)
		other := commitTree(t, s, "v", 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if now := filesOn(t, at); now != before+1 { // its own snapshot index
			t.Errorf("another host with the same content wrote %d files", now-before)
		}
		forget(t, web, first.ID, second.ID)
		if back, err := nas.Undelete(t.Context(), []string{first.ID}); err != nil || len(back) != 1 {
			t.Errorf("undelete: %v, %v", back, err)
		}
		if result := collect(t, nas, 0); result.Removed.Blobs == 0 {
			t.Errorf("gc removed nothing: %+v", result)
		}
		fresh := openOn(t, at, "third")
		if snaps := checkWhole(t, fresh); len(snaps) != 2 || snaps[0].ID != other.ID && snaps[1].ID != other.ID {
			t.Errorf("snapshots after gc: %v", snaps)
		}
		checkNothingElse(t, fresh, at)
	})
}

// checkNothingElse proves that every file is needed, and every blob in the index is there.
func checkNothingElse(t testing.TB, r *Repository, at storagetest.Server) {
	t.Helper()
	c, err := r.newCollection(t.Context(), time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if have := filesOn(t, at); have != len(c.graph.nodes) {
		t.Errorf("%d blobs are there, %d are needed", have, len(c.graph.nodes))
	}
	for _, n := range c.graph.nodes {
		if size, ok, err := r.HasFile(t.Context(), n.blob.Digest); err != nil || !ok || size != n.blob.Stored {
			t.Errorf("blob %s is missing", n.blob.Digest)
		}
	}
}

// A big blob goes in parts and comes back byte for byte; so do an empty and a small one.
func TestBackendBigBlob(t *testing.T) {
	eachBackend(t, func(t *testing.T, at storagetest.Server) {
		initOn(t, at)
		r := openOn(t, at, "nas")
		s := begin(t, r)
		for _, size := range []int{1, 3 * mib, 70 * mib} {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			w, err := s.NewBlob(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			b, err := w.Commit(ID(w.Digest()), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			in, n, err := openOn(t, at, "web").OpenBlob(t.Context(), b.Digest)
			if err != nil || n != int64(size) {
				t.Fatalf("open of %d bytes: %d, %v", size, n, err)
			}
			got, err := io.ReadAll(in)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
			}
			in.Close()
		}
	})
}

// An S3 server takes no bytes but those that have the digest for which they are sent.
func TestServerChecksBytes(t *testing.T) {
	at := storagetest.S3(t)
	initOn(t, at)
	r := openOn(t, at, "nas")
	name := DigestOf([]byte("content")).Hex()
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // it is tried again for longer
	defer cancel()
	if err := errors.Join(r.store.WriteBlob(ctx, name, []byte("another")), r.store.Sync(ctx)); err == nil {
		t.Error("other bytes were taken")
	}
	if _, err := openOn(t, at, "web").store.Stat(t.Context(), blobDir+"/"+name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is there: %v", err)
	}
}

// Hosts that commit at the same moment do not lose each other's snapshots, and the names in index.json are
// those of all.
func TestBackendManyHosts(t *testing.T) {
	eachBackend(t, func(t *testing.T, at storagetest.Server) {
		initOn(t, at)
		const hosts = 4
		var running sync.WaitGroup
		for i := range hosts {
			r := openOn(t, at, string(rune('a'+i)))
			running.Go(func() {
				s := begin(t, r)
				commitTree(t, s, "v", uint64(i%2)) // some content in common
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		if snaps := checkWhole(t, openOn(t, at, "z")); len(snaps) != hosts {
			t.Errorf("%d snapshots of %d hosts", len(snaps), hosts)
		}
	})
}

// Two never hold a lock; a dead process's is taken over; unlock takes away others' by force only.
func TestBackendLocks(t *testing.T) {
	eachBackend(t, func(t *testing.T, at storagetest.Server) {
		initOn(t, at)
		a, b := openOn(t, at, "a"), openOn(t, at, "b")
		lock, err := a.tryGCLock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.tryGCLock(t.Context())
		if locked := (*LockedError)(nil); !errors.As(err, &locked) || locked.Host != "a" || locked.PID != os.Getpid() {
			t.Errorf("lock of another: %v", err)
		}
		if held, err := b.Locks(); err != nil || len(held) != 1 {
			t.Errorf("locks: %v, %v", held, err)
		}
		if _, _, err := b.Unlock(t.Context(), false); err != nil {
			t.Error(err)
		}
		if held, err := b.Locks(); err != nil || len(held) != 1 {
			t.Errorf("locks after unlock without proof: %v, %v", held, err)
		}
		lock.Release()
		if lock, err = b.tryGCLock(t.Context()); err != nil {
			t.Fatalf("lock that was given back: %v", err)
		}
		lock.Release()
	})
}

// On a server, a lock whose holder is proven dead is nobody's.
func TestDeadHolder(t *testing.T) {
	r := initInMemory(t)
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	for name, owner := range map[string]struct {
		process process
		taken   bool
	}{
		"lives":              {self, true},
		"number reused":      {process{self.Boot, self.Namespace, self.PID, "1"}, false},
		"other namespace":    {process{self.Boot, "pid:[1]", 1 << 22, "1"}, true},
		"other machine":      {process{"other", self.Namespace, 1 << 22, "1"}, true},
		"nobody's number":    {process{self.Boot, self.Namespace, 1<<22 + 1, "1"}, false},
		"nothing is told us": {process{}, true},
	} {
		ticket := `{"host":"x","pid":1,"process":{"boot":"` + owner.process.Boot + `","namespace":"` + owner.process.Namespace +
			`","pid":` + strconv.Itoa(owner.process.PID) + `,"start":"` + owner.process.Start + `"}}`
		if err := r.store.Put(t.Context(), "davit/locks/gc/x.json", []byte(ticket)); err != nil {
			t.Fatal(err)
		}
		lock, err := r.tryGCLock(t.Context())
		if locked := (*LockedError)(nil); errors.As(err, &locked) != owner.taken {
			t.Errorf("holder %s: %v", name, err)
		}
		if err == nil {
			lock.Release()
		}
		if err := r.store.Remove(t.Context(), "davit/locks/gc/x.json"); err != nil {
			t.Fatal(err)
		}
	}
}
