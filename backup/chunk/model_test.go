package chunk_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"davit/backup/chunk"
	"davit/backup/repo"
	"davit/engine/enginetest"
)

// Random edits, after each of which the stream made with a cache equals one made
// without, and now and then GNU tar and davit restore the same tree from it.
func TestModel(t *testing.T) {
	testModel(t, enginetest.Rounds(t, 150), func(dir string) (writer, reader store, cache *chunk.Cache) {
		s := newStoreAt(t, dir)
		return s, s, chunk.OpenCache("", "")
	})
}

// The same by a host that cannot read what it wrote, into an encrypted repository.
func TestModelEncrypted(t *testing.T) {
	testModel(t, enginetest.Rounds(t, 60), func(dir string) (writer, reader store, cache *chunk.Cache) {
		writer, reader = newEncryptedStores(t, dir)
		return writer, reader, chunk.OpenCache(filepath.Join(t.TempDir(), "cache"), "")
	})
}

func testModel(t *testing.T, rounds int, open func(dir string) (writer, reader store, cache *chunk.Cache)) {
	t.Helper()
	enginetest.NeedRoot(t)
	rng := enginetest.Random(t)
	disk := enginetest.Disk(t, 2<<30)
	src := filepath.Join(disk, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, rng: rng, root: src}
	for range 60 {
		m.edit()
	}
	s, reader, cache := open(filepath.Join(disk, "repo"))
	o := options()
	// The clock is ahead, so that what was written a moment ago counts as
	// settled: the two seconds would make every pass read everything.
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	reused := int64(0)
	for round := range rounds {
		for range 1 + rng.IntN(4) {
			m.edit()
		}
		incremental, item := saveWith(t, s, o, src, cache)
		fresh, _ := saveWith(t, s, o, src, chunk.OpenCache("", ""))
		a, b := layerIDs(t, s, incremental.Parts), layerIDs(t, s, fresh.Parts)
		if a != b {
			t.Fatalf("round %d: the incremental stream differs from the fresh one", round)
		}
		reused += fresh.Stats.BytesRead - incremental.Stats.BytesRead
		if round%(rounds/6+1) == 0 || round == rounds-1 {
			compareReaders(t, reader, item, src)
		}
	}
	if reused <= 0 {
		t.Error("the cache saved no reading: the test proves nothing")
	}
}

func saveWith(t *testing.T, s store, o chunk.Options, src string, cache *chunk.Cache) (*chunk.Result, ocispec.Descriptor) {
	t.Helper()
	result, err := chunk.NewSaver(s, o).Save(t.Context(), chunk.Local(openRoot(t, src)), cache, chunk.SaveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range result.Problems {
		t.Fatalf("save: %+v", p)
	}
	item, err := repo.BuildTreeItem(t.Context(), s, result.Parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result, item
}

// layerIDs lists the plain ids of a stream; equal lists are equal streams.
func layerIDs(t *testing.T, s store, parts []ocispec.Descriptor) string {
	t.Helper()
	var ids bytes.Buffer
	for _, part := range parts {
		layers, err := chunk.Layers(t.Context(), s, part)
		if err != nil {
			t.Fatal(err)
		}
		for _, blob := range layers {
			ids.WriteString(blob.ID.String())
			ids.WriteByte('\n')
		}
	}
	return ids.String()
}

// compareReaders restores with davit and with GNU tar and compares both with
// the source.
func compareReaders(t *testing.T, s store, item ocispec.Descriptor, src string) {
	t.Helper()
	want := describe(t, src)
	for _, line := range want.Diff(describe(t, restore(t, s, item, chunk.RestoreOptions{}))) {
		t.Errorf("davit: %s", line)
	}
	for _, line := range want.Diff(describe(t, untar(t, s, item))) {
		t.Errorf("tar: %s", line)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// untar extracts the decoded stream with GNU tar.
func untar(t *testing.T, s store, item ocispec.Descriptor) string {
	t.Helper()
	dst := t.TempDir()
	stream := plainStream(t, s, item)
	cmd := exec.Command("tar", "-x", "--warning=no-timestamp", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-C", dst)
	cmd.Stdin = bytes.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return dst
}

func plainStream(t *testing.T, s store, item ocispec.Descriptor) []byte {
	t.Helper()
	dec, err := chunk.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var stream []byte
	err = repo.WalkParts(t.Context(), s, item, func(desc ocispec.Descriptor) error {
		layers, err := chunk.Layers(t.Context(), s, desc)
		if err != nil {
			return err
		}
		for _, blob := range layers {
			plain, err := decode(t.Context(), s, dec, blob)
			if err != nil {
				return err
			}
			stream = append(stream, plain...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func decode(ctx context.Context, s store, dec *chunk.Decoder, blob repo.Blob) ([]byte, error) {
	stored, err := s.ReadBlob(ctx, blob.Digest, blob.Stored, nil)
	if err != nil {
		return nil, err
	}
	frame, err := s.Unseal(nil, stored)
	if err != nil {
		return nil, err
	}
	return dec.Decode(frame, blob.Len, nil)
}

// model edits a tree at random.
type model struct {
	t    *testing.T
	rng  *rand.Rand
	root string
	n    int
}

func (m *model) edit() {
	m.t.Helper()
	edits := []func() error{
		m.create, m.create, m.create, m.createBig, m.mkdir, m.link, m.link, m.rename, m.remove,
		m.chmod, m.grow, m.shrink, m.rewrite, m.fifo, m.symlink, m.xattr, m.acl, m.chown, m.touch, m.sparse,
	}
	if err := edits[m.rng.IntN(len(edits))](); err != nil {
		m.t.Fatal(err)
	}
}

// pick returns a random path of the tree, or "" when there is none of the kind.
func (m *model) pick(want func(os.FileInfo) bool) string {
	var found []string
	err := filepath.Walk(m.root, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != m.root && want(info) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return found[m.rng.IntN(len(found))]
}

func regular(i os.FileInfo) bool { return i.Mode().IsRegular() }
func any_(os.FileInfo) bool      { return true }

// fresh is a new path in a random folder; every fifth has an odd name.
func (m *model) fresh() string {
	dir := m.pick(os.FileInfo.IsDir)
	if dir == "" || m.rng.IntN(3) == 0 {
		dir = m.root
	}
	m.n++
	name := fmt.Sprintf("n%d", m.n)
	switch m.rng.IntN(10) {
	case 0:
		name = fmt.Sprintf("odd\n\x1b[31m \xff%d", m.n)
	case 1:
		name = fmt.Sprintf("%d-%0200d", m.n, m.n)
	}
	return filepath.Join(dir, name)
}

func (m *model) bytes(size int) []byte {
	data := make([]byte, size)
	for i := 0; i < len(data); i += 8 {
		if m.rng.IntN(3) > 0 {
			copy(data[i:], "repeat. ")
			continue
		}
		for j := i; j < min(i+8, len(data)); j++ {
			data[j] = byte(m.rng.Uint32())
		}
	}
	return data
}

func (m *model) create() error {
	return os.WriteFile(m.fresh(), m.bytes(m.rng.IntN(40_000)), 0o644)
}

func (m *model) createBig() error {
	if m.rng.IntN(3) > 0 {
		return nil
	}
	return os.WriteFile(m.fresh(), m.bytes(1<<20-2+m.rng.IntN(2<<20)), 0o600)
}

func (m *model) mkdir() error { return os.Mkdir(m.fresh(), 0o755) }

func (m *model) link() error {
	if from := m.pick(regular); from != "" {
		return os.Link(from, m.fresh())
	}
	return nil
}

func (m *model) rename() error {
	from := m.pick(any_)
	to := m.fresh()
	if from == "" || len(to) > len(from) && to[:len(from)] == from {
		return nil
	}
	return os.Rename(from, to)
}

func (m *model) remove() error {
	if m.rng.IntN(2) == 0 {
		return nil
	}
	if path := m.pick(any_); path != "" {
		return os.RemoveAll(path)
	}
	return nil
}

func (m *model) chmod() error {
	path := m.pick(func(i os.FileInfo) bool { return i.Mode()&os.ModeSymlink == 0 })
	if path == "" {
		return nil
	}
	return unix.Chmod(path, uint32(m.rng.IntN(0o10000)))
}

func (m *model) chown() error {
	if path := m.pick(any_); path != "" {
		return os.Lchown(path, m.rng.IntN(1<<22), m.rng.IntN(1000))
	}
	return nil
}

func (m *model) grow() error {
	path := m.pick(regular)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(m.bytes(m.rng.IntN(600_000)))
	return err
}

func (m *model) shrink() error {
	path := m.pick(regular)
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, m.rng.Int64N(info.Size()+1))
}

func (m *model) rewrite() error {
	path := m.pick(func(i os.FileInfo) bool { return regular(i) && i.Size() > 100 })
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(m.bytes(50), int64(m.rng.IntN(50)))
	return err
}

func (m *model) fifo() error { return unix.Mkfifo(m.fresh(), 0o622) }

func (m *model) symlink() error { return os.Symlink("../where\never", m.fresh()) }

func (m *model) xattr() error {
	if path := m.pick(regular); path != "" {
		return unix.Setxattr(path, fmt.Sprintf("user.a=b%%%d", m.rng.IntN(4)), m.bytes(m.rng.IntN(100)), 0)
	}
	return nil
}

// acl gives a file an access ACL of version 2 with one named user.
func (m *model) acl() error {
	path := m.pick(regular)
	if path == "" {
		return nil
	}
	raw := []byte{2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255,
		2, 0, 4, 0, byte(m.rng.IntN(250)), 3, 0, 0,
		4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 6, 0, 255, 255, 255, 255,
		32, 0, 4, 0, 255, 255, 255, 255,
	}
	return unix.Setxattr(path, "system.posix_acl_access", raw, 0)
}

func (m *model) touch() error {
	path := m.pick(any_)
	if path == "" {
		return nil
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: m.rng.Int64N(1<<32) - 1<<31, Nsec: m.rng.Int64N(1e9)}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW)
}

func (m *model) sparse() error {
	f, err := os.Create(m.fresh())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(m.rng.Int64N(6 << 20)); err != nil {
		return err
	}
	for range m.rng.IntN(4) {
		if _, err := f.WriteAt(m.bytes(5000), m.rng.Int64N(5<<20)); err != nil {
			return err
		}
	}
	return f.Sync()
}
