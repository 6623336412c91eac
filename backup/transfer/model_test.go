//go:build integration

package transfer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"davit/backup"
	"davit/backup/repo"
	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// Two hosts with state folders of their own and one bucket of a real S3 server do at random, at once, what there is to do:
// backups, forgets, removals without grace, undeletes, copies to and from another repository. After each round exactly those
// snapshots are there that should be, each restores as it was and every byte is right; after a removal with nobody at
// work only what they need is left.
func TestTwoHostsOnS3(t *testing.T) {
	for name, encrypted := range map[string]bool{"clear": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newModel(t, encrypted)
			for round := range enginetest.Rounds(t, 14) {
				m.round(round)
				if t.Failed() {
					t.Fatalf("in round %d, after %v", round, m.done)
				}
			}
			t.Logf("done: %v, %d snapshots are left", m.done, len(m.live))
		})
	}
}

// model knows what has to be in the bucket.
type model struct {
	t        *testing.T
	random   *mathrand.Rand
	identity *age.X25519Identity // nil: clear
	bucket   storagetest.Server
	box      storagetest.Server // the other repository, in a folder
	hosts    []*modelHost

	mu        sync.Mutex
	trees     map[string]enginetest.Tree // by snapshot
	live      map[string]bool
	forgotten map[string]bool
	done      map[string]int
	now       moment
}

// moment is what the hosts did in one round. Which of two that did something about one snapshot was first, only the
// repository knows.
type moment struct {
	forgot, back   map[string]bool  // snapshots
	gone, notThere map[string]error // what could not be copied, and what was not forgotten any more: right if the other host was faster
}

func newMoment() moment {
	return moment{forgot: map[string]bool{}, back: map[string]bool{}, gone: map[string]error{}, notThere: map[string]error{}}
}

// modelHost is a machine: its name, all that it keeps, and a folder that it backs up.
type modelHost struct{ name, dir, src string }

func newModel(t *testing.T, encrypted bool) *model {
	t.Helper()
	m := &model{
		t: t, random: enginetest.Random(t), bucket: storagetest.S3(t), box: storagetest.Folder(t),
		trees: map[string]enginetest.Tree{}, live: map[string]bool{}, forgotten: map[string]bool{}, done: map[string]int{},
	}
	for _, name := range []string{"nas", "web", "owner"} {
		h := &modelHost{name: name, dir: t.TempDir(), src: t.TempDir()}
		for i := range 6 {
			write(t, fmt.Sprintf("%s/dir%d/file", h.src, i), fmt.Sprintf("content %d", i)) // the hosts have that in common
		}
		m.hosts = append(m.hosts, h)
	}
	if encrypted {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		m.identity = id
	}
	for _, at := range []storagetest.Server{m.bucket, m.box} {
		if err := m.init(at); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// init makes a repository that all hosts can write.
func (m *model) init(at storagetest.Server) error {
	first := m.hosts[0]
	if m.identity == nil {
		r, err := repo.InitIn(m.t.Context(), at.Connect(m.t), m.options(first))
		if err != nil {
			return err
		}
		return r.Close()
	}
	r, err := repo.InitEncryptedIn(m.t.Context(), at.Connect(m.t), m.options(first), []repo.KeyHolder{{Name: "owner", Recipient: m.identity.Recipient()}})
	if err != nil {
		return err
	}
	for _, h := range m.hosts[1:] {
		key, kerr := r.Enroll(h.name)
		err = errors.Join(err, kerr)
		if kerr == nil {
			err = errors.Join(err, m.use(at, h, func(own *repo.Repository, _ *backup.Env) error { return own.Adopt(key) }))
		}
	}
	return errors.Join(err, r.Close())
}

func (m *model) options(h *modelHost) repo.Options {
	o := repo.Options{Host: h.name, HostKeys: h.dir + "/keys"}
	if m.identity != nil {
		o.Identities = func() ([]age.Identity, error) { return []age.Identity{m.identity}, nil }
	}
	return o
}

// use opens a repository on a host, whose cache outlives that.
func (m *model) use(at storagetest.Server, h *modelHost, do func(*repo.Repository, *backup.Env) error) error {
	o := at.Options(m.t)
	o.Cache = h.dir + "/cache"
	store, err := storage.Connect(m.t.Context(), at.URL, o)
	if err != nil {
		return err
	}
	r, err := repo.OpenIn(m.t.Context(), store, m.options(h))
	if err != nil {
		return err
	}
	return errors.Join(do(r, &backup.Env{
		Repo: r, Host: h.name, Version: "test", StateDir: h.dir + "/state", CacheDir: h.dir + "/cache", Now: time.Now, Rand: rand.Reader,
	}), r.Close())
}

// round lets each host do something, both at once, and looks at the result.
func (m *model) round(n int) {
	m.t.Helper()
	actions := map[string]func(*modelHost, *mathrand.Rand) error{
		"backup": m.backUp, "backup again": m.backUp, "forget": m.forget, "gc": m.collect, "undelete": m.undelete,
		"copy there": m.copyThere, "copy back": m.copyBack,
	}
	names := slices.Sorted(maps.Keys(actions))
	m.now = newMoment()
	var working sync.WaitGroup
	for _, h := range m.hosts[:2] {
		what := names[m.random.IntN(len(names))]
		if n == 0 {
			what = "backup"
		}
		m.done[what]++
		random := mathrand.New(mathrand.NewPCG(m.random.Uint64(), 1))
		working.Go(func() {
			if err := actions[what](h, random); err != nil {
				m.t.Errorf("%s on %s: %v", what, h.name, err)
			}
		})
	}
	working.Wait()
	m.settle()
	if n%4 == 3 {
		m.sweep()
	}
	m.check()
}

// settle judges what one host could not do since the other was faster, and asks the repository what became of snapshots that
// one forgot and the other brought back.
func (m *model) settle() {
	m.t.Helper()
	for id, err := range m.now.gone {
		if !m.now.forgot[id] {
			m.t.Errorf("copy of snapshot %s: %v", id, err)
		}
	}
	for id, err := range m.now.notThere {
		if !m.now.back[id] {
			m.t.Errorf("undelete of snapshot %s: %v", id, err)
		}
	}
	maps.DeleteFunc(m.now.forgot, func(id string, _ bool) bool { return !m.now.back[id] })
	if len(m.now.forgot) == 0 {
		return
	}
	err := m.use(m.bucket, m.hosts[2], func(r *repo.Repository, _ *backup.Env) error {
		snaps, err := r.Snapshots(m.t.Context())
		for id := range m.now.forgot {
			delete(m.live, id)
			m.forgotten[id] = true
			if slices.ContainsFunc(snaps, func(s repo.Snapshot) bool { return s.ID == id }) {
				delete(m.forgotten, id)
				m.live[id] = true
			}
		}
		return err
	})
	if err != nil {
		m.t.Error(err)
	}
}

// backUp edits the host's folder and saves it, at times into the other repository.
func (m *model) backUp(h *modelHost, random *mathrand.Rand) error {
	for range 1 + random.IntN(3) {
		path := fmt.Sprintf("%s/dir%d/file%d", h.src, random.IntN(6), random.IntN(3))
		if random.IntN(4) == 0 {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			continue
		}
		content := strings.Repeat(fmt.Sprint(random.IntN(5), " of few contents that come again\n"), 1+random.IntN(60_000))
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	tree, err := enginetest.DescribeTree(h.src)
	if err != nil {
		return err
	}
	at := m.bucket
	if random.IntN(4) == 0 {
		at = m.box
	}
	return m.use(at, h, func(_ *repo.Repository, env *backup.Env) error {
		plan, err := backup.PlanCreate(m.t.Context(), env, backup.CreateOptions{Selection: backup.Selection{Paths: []string{h.src}}})
		if err != nil {
			return err
		}
		report, err := backup.ApplyCreate(m.t.Context(), env, plan)
		if err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.trees[report.Snapshot] = tree
		if at.URL == m.bucket.URL {
			m.appeared(report.Snapshot)
		}
		return nil
	})
}

// appeared notes a new snapshot, which the other host may have seen and forgotten already.
func (m *model) appeared(id string) {
	if !m.forgotten[id] {
		m.live[id] = true
	}
}

func (m *model) forget(h *modelHost, random *mathrand.Rand) error {
	return m.use(m.bucket, h, func(r *repo.Repository, _ *backup.Env) error {
		gone, err := r.Forget(m.t.Context(), func(snaps []repo.Snapshot) (ids []string, err error) {
			for _, s := range snaps {
				if random.IntN(2) == 0 {
					ids = append(ids, s.ID)
				}
			}
			return ids, nil
		})
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, id := range gone {
			delete(m.live, id)
			m.forgotten[id], m.now.forgot[id] = true, true
		}
		return err
	})
}

// collect removes at once, or announces what the next one removes.
func (m *model) collect(h *modelHost, random *mathrand.Rand) error {
	return m.use(m.bucket, h, func(r *repo.Repository, _ *backup.Env) error {
		_, err := r.GC(m.t.Context(), repo.GCOptions{Grace: time.Duration(random.IntN(2))})
		if locked := (*repo.LockedError)(nil); errors.As(err, &locked) {
			return nil // the other one is at it
		}
		return err
	})
}

// undelete brings something back, unless its data is gone or the other host was faster.
func (m *model) undelete(h *modelHost, random *mathrand.Rand) error {
	m.mu.Lock()
	list := slices.Sorted(maps.Keys(m.forgotten))
	m.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	id := list[random.IntN(len(list))]
	return m.use(m.bucket, h, func(r *repo.Repository, _ *backup.Env) error {
		_, err := r.Undelete(m.t.Context(), []string{id})
		m.mu.Lock()
		defer m.mu.Unlock()
		removed := (*repo.RemovedError)(nil)
		switch {
		case errors.As(err, &removed):
			return nil
		case errors.Is(err, repo.ErrNotForgotten):
			m.now.notThere[id] = err
			return nil
		case err == nil:
			delete(m.forgotten, id)
			m.live[id], m.now.back[id] = true, true
			m.done["came back"]++
		}
		return err
	})
}

func (m *model) copyThere(h *modelHost, _ *mathrand.Rand) error {
	report, err := m.copy(h, m.bucket, m.box)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range report.Failed {
		m.now.gone[f.ID] = errors.New(f.Reason)
		err = nil
	}
	return err
}

// copyBack never brings back what was forgotten.
func (m *model) copyBack(h *modelHost, _ *mathrand.Rand) error {
	report, err := m.copy(h, m.box, m.bucket)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range report.Copied {
		m.appeared(c.ID)
		m.done["copied back"]++
	}
	return err
}

func (m *model) copy(h *modelHost, from, to storagetest.Server) (report *Report, err error) {
	report = &Report{}
	return report, m.use(from, h, func(source *repo.Repository, _ *backup.Env) error {
		return m.use(to, h, func(target *repo.Repository, _ *backup.Env) error {
			plan, err := NewPlan(m.t.Context(), Options{From: source, To: target, Self: h.name})
			if err != nil {
				return err
			}
			done, err := Apply(m.t.Context(), Env{Now: time.Now}, plan)
			if done != nil {
				*report = *done
			}
			return err
		})
	})
}

// sweep removes with nobody at work: only what is needed is left, and what was forgotten does not come back.
func (m *model) sweep() {
	m.t.Helper()
	err := m.use(m.bucket, m.hosts[2], func(r *repo.Repository, _ *backup.Env) error {
		var result repo.GCResult
		for range 2 { // what was announced, and what that left
			var err error
			if result, err = r.GC(m.t.Context(), repo.GCOptions{}); err != nil {
				return err
			}
		}
		files, err := os.ReadDir(filepath.Join(m.bucket.Dir, storage.BlobFolder))
		if errors.Is(err, fs.ErrNotExist) { // the server removes folders with nothing in them
			err = nil
		}
		if err != nil || len(files) != result.Needed.Blobs {
			m.t.Errorf("%d blobs are left, %d are needed: %v", len(files), result.Needed.Blobs, err)
		}
		for id := range m.forgotten {
			_, err := r.Undelete(m.t.Context(), []string{id})
			if removed := (*repo.RemovedError)(nil); !errors.As(err, &removed) {
				m.t.Errorf("undelete of %s, which is gone: %v", id, err)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Errorf("gc with nobody at work: %v", err)
	}
}

// check compares the bucket with the model.
func (m *model) check() {
	m.t.Helper()
	err := m.use(m.bucket, m.hosts[2], func(r *repo.Repository, env *backup.Env) error {
		report, err := backup.Verify(storage.Fresh(m.t.Context()), env, backup.VerifyOptions{ReadData: true})
		if err != nil {
			return err
		}
		if err := report.Err(); err != nil {
			return fmt.Errorf("verify: %w: %+v", err, report)
		}
		snaps, err := r.Snapshots(m.t.Context())
		if err != nil {
			return err
		}
		var ids []string
		for _, s := range snaps {
			ids = append(ids, s.ID)
		}
		slices.Sort(ids)
		if want := slices.Sorted(maps.Keys(m.live)); !slices.Equal(ids, want) {
			m.t.Errorf("there are %v, there should be %v", ids, want)
		}
		for _, id := range ids {
			if err := m.restores(env, id); err != nil {
				m.t.Errorf("snapshot %s: %v", id, err)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Error(err)
	}
}

func (m *model) restores(env *backup.Env, id string) error {
	got, err := restoredBy(m.t, env, id)
	if err != nil {
		return err
	}
	if diff := m.trees[id].Diff(got); len(diff) > 0 {
		return fmt.Errorf("it differs: %v", diff)
	}
	return nil
}
