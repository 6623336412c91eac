package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"

	"filippo.io/age"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// faultGround is where faults happen: a repository with two snapshots, one of them forgotten and condemned, whose
// state can be brought back.
type faultGround struct {
	reset func(t *testing.T)
	// open opens it with faults, nil for none. Its files are those of this moment.
	open func(t *testing.T, f *storagetest.Faults) (*Repository, error)
}

// options of every host here; identities of the encrypted one.
type groundKeys struct {
	folder   string
	identity *age.X25519Identity
}

func (k groundKeys) options() Options {
	o := Options{Host: "nas", HostKeys: k.folder}
	if k.identity != nil {
		o.Identities = func() ([]age.Identity, error) { return []age.Identity{k.identity}, nil }
	}
	return o
}

func (k groundKeys) init(t *testing.T, store storage.Storage) {
	t.Helper()
	var r *Repository
	var err error
	if k.identity == nil {
		r, err = InitIn(t.Context(), store, k.options())
	} else {
		r, err = InitEncryptedIn(t.Context(), store, k.options(), []KeyHolder{{Name: "test", Recipient: k.identity.Recipient()}})
	}
	if err != nil {
		t.Fatal(err)
	}
	plant(t, r)
}

// plant makes the two snapshots.
func plant(t *testing.T, r *Repository) {
	t.Helper()
	s := begin(t, r)
	commitSealable(t, s, 1)
	lost := commitSealable(t, s, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	forget(t, r, lost.ID)
	if _, err := r.GC(t.Context(), GCOptions{Grace: 1}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// saveSealable saves a volume in a clear or an encrypted repository.
func saveSealable(ctx context.Context, s *Session, seed uint64) (Snapshot, error) {
	chunks := []chunk{makeChunk(seed, 1000), makeChunk(seed+1, 50)}
	item, err := putSealable(ctx, s, "v", chunks...)
	if err != nil {
		return Snapshot{}, err
	}
	return s.Commit(ctx, Snapshot{Complete: true, Items: []Item{item}})
}

func commitSealable(t *testing.T, s *Session, seed uint64) Snapshot {
	t.Helper()
	snap, err := saveSealable(t.Context(), s, seed)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// putSealable is putTree, which seals the chunks of an encrypted repository.
func putSealable(ctx context.Context, s *Session, name string, chunks ...chunk) (Item, error) {
	if s.repo.vault == nil {
		return putTree(ctx, s, name, chunks...)
	}
	for i, c := range chunks {
		sealed, err := s.repo.Seal(nil, c.stored)
		if err != nil {
			return Item{}, err
		}
		chunks[i].stored, chunks[i].id = sealed, s.repo.IDOf(Digest(c.id))
	}
	part, err := putPart(ctx, s, chunks...)
	if err != nil {
		return Item{}, err
	}
	desc, err := BuildTreeItem(ctx, s, []ocispec.Descriptor{part}, nil)
	return Item{Kind: KindVolume, Name: name, Desc: desc}, err
}

// TestFaults lets every single operation of a backup, of forget and of gc go wrong, in each way: afterwards the snapshot
// that was there before is whole, nothing in the index is missing, and the next run of everything succeeds. On a folder and on a
// server, clear and encrypted.
func TestFaults(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		for place, make := range map[string]func(*testing.T, groundKeys) faultGround{"folder": folderGround, "server": serverGround} {
			for work, do := range faultWork() {
				t.Run(fmt.Sprintf("%s/encrypted=%v/%s", place, encrypted, work), func(t *testing.T) {
					t.Parallel()
					sweepFaults(t, make(t, newGroundKeys(t, encrypted)), do)
				})
			}
		}
	}
}

func newGroundKeys(t *testing.T, encrypted bool) groundKeys {
	t.Helper()
	keys := groundKeys{folder: t.TempDir()}
	if encrypted {
		var err error
		if keys.identity, err = age.GenerateX25519Identity(); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// faultWork is what is disturbed.
func faultWork() map[string]func(ctx context.Context, r *Repository) error {
	return map[string]func(ctx context.Context, r *Repository) error{
		"create": func(ctx context.Context, r *Repository) error {
			s, err := r.Begin(ctx, SessionInfo{})
			if err != nil {
				return err
			}
			_, err = saveSealable(ctx, s, 50) // what is condemned
			if err == nil {
				_, err = saveSealable(ctx, s, 70)
			}
			return errors.Join(err, s.Close())
		},
		"forget": func(ctx context.Context, r *Repository) error {
			_, err := r.Forget(ctx, func(all []Snapshot) ([]string, error) { return nil, nil })
			if err != nil {
				return err
			}
			s, err := r.Begin(ctx, SessionInfo{})
			if err != nil {
				return err
			}
			snap, err := saveSealable(ctx, s, 90)
			if err == nil {
				_, err = r.Forget(ctx, func([]Snapshot) ([]string, error) { return []string{snap.ID}, nil })
			}
			return errors.Join(err, s.Close())
		},
		"gc": func(ctx context.Context, r *Repository) error {
			_, err := r.GC(ctx, GCOptions{})
			return err
		},
	}
}

// sweepFaults counts the operations of an undisturbed run, then disturbs each.
func sweepFaults(t *testing.T, ground faultGround, do func(context.Context, *Repository) error) {
	var counter storagetest.Faults
	ground.reset(t)
	counter.Set(0, storagetest.Fault{})
	r, err := ground.open(t, &counter)
	if err == nil {
		err = errors.Join(do(t.Context(), r), r.Close())
	}
	if err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	total := counter.Count()
	first := 1 // else each kind would hit the same operations
	for kind, fault := range storagetest.FaultKinds() {
		first = first%faultStep + 1
		for n := first; n <= total; n += faultStep {
			ground.reset(t)
			counter.Set(n, fault)
			r, err := ground.open(t, &counter)
			if err == nil {
				err = errors.Join(do(t.Context(), r), r.Close())
			}
			if t.Failed() {
				return
			}
			checkAfterFault(t, ground, do, fmt.Sprintf("%s at operation %d of %d (%v)", kind, n, total, err))
		}
	}
}

func checkAfterFault(t *testing.T, ground faultGround, do func(context.Context, *Repository) error, what string) {
	t.Helper()
	r, err := ground.open(t, nil)
	if err != nil {
		t.Fatalf("%s: open: %v", what, err)
	}
	defer r.Close()
	wholeAfterFault(t, r, what)
	if _, _, err := r.Unlock(t.Context(), true); err != nil {
		t.Errorf("%s: unlock: %v", what, err)
	}
	if err := do(t.Context(), r); err != nil {
		t.Errorf("%s: next run: %v", what, err)
	}
	if _, err := r.GC(t.Context(), GCOptions{}); err != nil {
		t.Errorf("%s: next gc: %v", what, err)
	}
	wholeAfterFault(t, r, what+", and the next run")
}

// wholeAfterFault reads every blob of every snapshot, and looks for every blob that the index offers.
func wholeAfterFault(t *testing.T, r *Repository, what string) {
	t.Helper()
	refs, bad, err := r.refs(t.Context())
	if err != nil || len(bad) > 0 || len(refs) == 0 {
		t.Errorf("%s: %d snapshots, bad %v, %v", what, len(refs), bad, err)
		return
	}
	g := newGraph(r)
	for _, f := range refs {
		if _, err := g.addRef(storage.Fresh(t.Context()), f); err != nil {
			t.Errorf("%s: snapshot %s: %v", what, f.ID, err)
		}
	}
	for _, n := range g.nodes {
		if _, err := r.ReadBlob(storage.Fresh(t.Context()), n.blob.Digest, n.blob.Stored, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	files, err := r.index.openAll(t.Context())
	if err != nil {
		t.Errorf("%s: index: %v", what, err)
		return
	}
	defer closeAll(files)
	for b, err := range mergeRecords(t.Context(), files) {
		if err != nil {
			t.Errorf("%s: index: %v", what, err)
			return
		}
		if size, ok, err := r.HasFile(t.Context(), b.Digest); err != nil || !ok || size != b.Stored {
			if !r.index.IsCondemned(b.Digest) && !beingSwept(t, r, b.Digest) {
				t.Errorf("%s: the index offers %s, which is not there", what, b.Digest)
			}
		}
	}
}

// beingSwept tells whether a removal that has begun condemns a blob: then nobody counts on it.
func beingSwept(t *testing.T, r *Repository, d Digest) bool {
	t.Helper()
	runs, err := r.gcRuns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		set, err := r.condemned(t.Context(), run.number)
		if err == nil && !run.isDone() && run.sweeping && set.Has(d) {
			return true
		}
	}
	return false
}

func folderGround(t *testing.T, keys groundKeys) faultGround {
	base := fastDir(t)
	original, used := filepath.Join(base, "original"), filepath.Join(base, "used")
	keys.init(t, storage.OpenDir(original))
	return faultGround{
		reset: func(t *testing.T) {
			t.Helper()
			if err := os.RemoveAll(used); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("cp", "-a", original, used).CombinedOutput(); err != nil {
				t.Fatalf("cp: %v: %s", err, out)
			}
		},
		open: func(t *testing.T, f *storagetest.Faults) (*Repository, error) {
			store := storage.OpenDir(used)
			if f != nil {
				store = storagetest.FaultyStorage{Storage: store, Faults: f}
			}
			return OpenIn(t.Context(), store, keys.options())
		},
	}
}

func serverGround(t *testing.T, keys groundKeys) faultGround {
	original := storagetest.NewMemory()
	connect := func(on storage.Objects) storage.Storage {
		store, err := storage.NewRemote(on, storage.Options{Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	keys.init(t, connect(original))
	var used *storagetest.Memory
	return faultGround{
		reset: func(*testing.T) { used = original.Clone() },
		open: func(t *testing.T, f *storagetest.Faults) (*Repository, error) {
			if f == nil {
				return OpenIn(t.Context(), connect(used), keys.options())
			}
			return OpenIn(t.Context(), connect(storagetest.FaultyObjects{Objects: used, Faults: f}), keys.options())
		},
	}
}

// With tries again, a server that fails now and then is none the worse.
func TestTriesAgain(t *testing.T) {
	faults := &storagetest.Faults{}
	store, err := storage.NewRemote(storagetest.FaultyObjects{Objects: storagetest.NewMemory(), Faults: faults, Retry: true}, storage.Options{Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, fault := range storagetest.FaultKinds() {
		if fault.Killed {
			continue
		}
		faults.Set(1, fault)
		if err := store.Put(t.Context(), "davit/x", []byte(name)); err != nil || faults.Count() != 2 {
			t.Errorf("%s: put after %d tries: %v", name, faults.Count(), err)
		}
		faults.Set(1, fault)
		in, size, err := store.Open(t.Context(), "davit/x")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data, err := io.ReadAll(in); err != nil || string(data) != name || size != int64(len(name)) {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
	}
}
