package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup"
	"davit/backup/repo"
	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// far is a repository on a server in memory.
type far struct {
	on       *storagetest.Memory
	keys     string
	identity *age.X25519Identity // nil: it is clear
}

func (f far) options() repo.Options {
	o := repo.Options{Host: "nas", HostKeys: f.keys}
	if f.identity != nil {
		o.Identities = func() ([]age.Identity, error) { return []age.Identity{f.identity}, nil }
	}
	return o
}

// connect returns the storage, with faults if there are any.
func (f far) connect(t *testing.T, faults *storagetest.Faults) storage.Storage {
	t.Helper()
	var on storage.Objects = f.on
	if faults != nil {
		on = storagetest.FaultyObjects{Objects: on, Faults: faults}
	}
	store, err := storage.NewRemote(on, storage.Options{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newFar(t *testing.T, encrypted bool) far {
	t.Helper()
	f := far{on: storagetest.NewMemory(), keys: t.TempDir()}
	f.on.Name = f.keys
	var made *repo.Repository
	var err error
	if encrypted {
		if f.identity, err = age.GenerateX25519Identity(); err != nil {
			t.Fatal(err)
		}
		made, err = repo.InitEncryptedIn(t.Context(), f.connect(t, nil), f.options(), []repo.KeyHolder{{Name: "owner", Recipient: f.identity.Recipient()}})
	} else {
		made, err = repo.InitIn(t.Context(), f.connect(t, nil), f.options())
	}
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// use opens the repository for something.
func (f far) use(t *testing.T, faults *storagetest.Faults, do func(*repo.Repository) error) error {
	t.Helper()
	r, err := repo.OpenIn(t.Context(), f.connect(t, faults), f.options())
	if err != nil {
		return err
	}
	return errors.Join(do(r), r.Close())
}

func farEnv(t *testing.T, r *repo.Repository) *backup.Env {
	t.Helper()
	dir := t.TempDir()
	return &backup.Env{Repo: r, Host: "nas", Version: "test", StateDir: dir + "/state", CacheDir: dir + "/cache", Now: time.Now, Rand: rand.Reader}
}

func (f far) save(t *testing.T, src string) (id string) {
	t.Helper()
	err := f.use(t, nil, func(r *repo.Repository) error {
		env := farEnv(t, r)
		plan, err := backup.PlanCreate(t.Context(), env, backup.CreateOptions{Selection: backup.Selection{Paths: []string{src}}})
		if err != nil {
			return err
		}
		report, err := backup.ApplyCreate(t.Context(), env, plan)
		id = report.Snapshot
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// whole reads every byte of the snapshots, and restores one.
func (f far) whole(t *testing.T, atLeast int, id string, want enginetest.Tree, what string) {
	t.Helper()
	err := f.use(t, nil, func(r *repo.Repository) error {
		env := farEnv(t, r)
		report, err := backup.Verify(storage.Fresh(t.Context()), env, backup.VerifyOptions{ReadData: true})
		if err == nil {
			err = report.Err()
		}
		if err == nil && report.Snapshots < atLeast {
			err = fmt.Errorf("%d snapshots are left of %d", report.Snapshots, atLeast)
		}
		if err != nil {
			return err
		}
		got, err := restoredBy(t, env, id)
		if err != nil {
			return err
		}
		if diff := want.Diff(got); len(diff) > 0 {
			return fmt.Errorf("restored tree differs: %v", diff)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// copyFar copies all from one server to another.
func copyFar(t *testing.T, from, to far, faults *storagetest.Faults) error {
	t.Helper()
	return from.use(t, faults, func(source *repo.Repository) error {
		return to.use(t, faults, func(target *repo.Repository) error {
			plan, err := NewPlan(t.Context(), Options{From: source, To: target, Self: "nas"})
			if err != nil {
				return err
			}
			_, err = Apply(t.Context(), Env{Now: time.Now, Workers: 1}, plan)
			return err
		})
	})
}

// Every single operation of a copy goes wrong, in each way and on either side: what the target had is whole and
// restores byte for byte, and the next copy brings the rest.
func TestFaultyCopy(t *testing.T) {
	src := t.TempDir()
	for i := range 8 {
		write(t, fmt.Sprintf("%s/dir%d/file", src, i), fmt.Sprintf("content %d", i))
	}
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted=%v", encrypted), func(t *testing.T) {
			from, to := newFar(t, encrypted), newFar(t, encrypted)
			first, want := from.save(t, src), describe(t, src)
			if err := copyFar(t, from, to, nil); err != nil {
				t.Fatal(err)
			}
			write(t, src+"/more", "of it")
			from.save(t, src)
			sweepCopy(t, from, to, first, want)
		})
	}
}

func sweepCopy(t *testing.T, from, to far, first string, want enginetest.Tree) {
	t.Helper()
	var faults storagetest.Faults
	original, keys := to.on, to.keys
	try := func(n int, fault storagetest.Fault) error {
		to.on, to.keys = original.Clone(), filepath.Join(t.TempDir(), "keys")
		if out, err := exec.Command("cp", "-a", keys, to.keys).CombinedOutput(); err != nil { // what the host has seen is set back, too
			t.Fatalf("cp: %v: %s", err, out)
		}
		faults.Set(n, fault)
		return copyFar(t, from, to, &faults)
	}
	if err := try(0, storagetest.Fault{}); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	total, began := faults.Count(), 1
	for kind, fault := range storagetest.FaultKinds() {
		began = began%faultStep + 1 // else each kind would hit the same operations
		for n := began; n <= total; n += faultStep {
			err := try(n, fault)
			what := fmt.Sprintf("%s at operation %d of %d (%v)", kind, n, total, err)
			to.whole(t, 1, first, want, what)
			unlock(t, from, to)
			if err := copyFar(t, from, to, nil); err != nil {
				t.Errorf("%s: next copy: %v", what, err)
			}
			to.whole(t, 2, first, want, what+", and the next copy")
			if t.Failed() {
				return
			}
		}
	}
}

// unlock gives back what a dead client held.
func unlock(t *testing.T, places ...far) {
	t.Helper()
	for _, f := range places {
		err := f.use(t, nil, func(r *repo.Repository) error {
			_, _, err := r.Unlock(context.WithoutCancel(t.Context()), true)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
