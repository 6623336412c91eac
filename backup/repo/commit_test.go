package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutNames reads index.json as name -> digest and checks that it is what OCI
// asks for: unique names, blobs that are there.
func layoutNames(t testing.TB, r *Repository) map[string]string {
	t.Helper()
	data := readFile(t, r.path("index.json"))
	index, err := DecodeIndex(DigestOf(data), data)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]string)
	for _, desc := range index.Manifests {
		name := desc.Annotations[ocispec.AnnotationRefName]
		if _, twice := names[name]; twice || name == "" {
			t.Errorf("index.json has %q twice or unnamed", name)
		}
		names[name] = desc.Digest.String()
		d, err := ParseDigest(desc.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		if size, ok, err := r.HasFile(t.Context(), d); err != nil || !ok || size != desc.Size {
			t.Errorf("%s: blob of %d bytes, want %d", name, size, desc.Size)
		}
	}
	return names
}

func putItem(t testing.TB, s *Session, kind, name, content string) Item {
	t.Helper()
	data := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"x":%q}}`, ocispec.MediaTypeImageIndex, content))
	d, err := s.PutBlob(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	return Item{Kind: kind, Name: name, Desc: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d.OCI(), Size: int64(len(data))}}
}

func commit(t testing.TB, s *Session, snap Snapshot) Snapshot {
	t.Helper()
	snap, err := s.Commit(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// All that a snapshot says comes back, odd names included, in another process.
func TestCommitRoundTrip(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	odd := "/srv/a b\n\x1b[2J%41/\xff:ü"
	item := putItem(t, s, KindPath, odd, "1")
	item.Annotations = map[string]string{"davit.driver": "local"}
	want := commit(t, s, Snapshot{
		Consistency: "pause", EngineVersion: "28.5.2", DavitVersion: "0.1", Complete: true,
		Items: []Item{item, putItem(t, s, KindVolume, "pgdata", "2")}, Summary: map[string]string{"files": "12"},
	})
	if !isSnapshotID(want.ID) || want.Host != "nas" || want.Job != "nightly" || !want.Time.Equal(r.opt.Now()) {
		t.Errorf("Commit filled in %+v", want)
	}
	got, err := reopen(t, r).Find(t.Context(), want.ID[:6], Query{Host: "not looked at"})
	if err != nil {
		t.Fatal(err)
	}
	found, ok := got.Find(KindPath, odd)
	if !ok || !reflect.DeepEqual(found.Annotations, item.Annotations) || found.Desc.Digest != item.Desc.Digest {
		t.Errorf("item came back as %+v", found)
	}
	if _, ok := got.Find(KindVolume, "pgdata"); !ok || len(got.Items) != 2 {
		t.Errorf("items came back as %+v", got.Items)
	}
	got.Items, want.Items = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("came back as\n%+v, want\n%+v", got, want)
	}
}

// Refs chain the snapshots of a host.
func TestRefContent(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	first, second := commitTree(t, s, "a", 1), commitTree(t, s, "a", 5)
	var f ref
	if err := json.Unmarshal(readFile(t, r.path(refDir, second.ID+".json")), &f); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(r.config)
	if err != nil {
		t.Fatal(err)
	}
	want := ref{
		Version: 1, ID: second.ID, Host: "nas", Job: "nightly", Time: r.opt.Now(), Digest: second.Digest.String(),
		Size: second.Size, Sequence: 2, Previous: first.ID, Config: DigestOf(config).Hex(),
	}
	if f != want {
		t.Errorf("ref is %+v, want %+v", f, want)
	}
}

// A snapshot that would refer to something that is not there is refused, and
// leaves no ref.
func TestCommitRefuses(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	good := putItem(t, s, KindVolume, "a", "1")
	absent := good
	absent.Desc.Digest = DigestOf([]byte("absent")).OCI()
	chunkOnly := good
	b := put(t, s, makeChunk(1, 10))
	chunkOnly.Desc.Digest, chunkOnly.Desc.Size = b.Digest.OCI(), b.Stored
	badKind := good
	badKind.Kind = "../x"
	for name, snap := range map[string]Snapshot{
		"absent blob": {Items: []Item{absent}},
		"a chunk":     {Items: []Item{chunkOnly}},
		"twice":       {Items: []Item{good, good}},
		"kind":        {Items: []Item{badKind}},
		"no name":     {Items: []Item{{Kind: KindVolume, Desc: good.Desc}}},
		"id":          {ID: "../../../tmp/x", Items: []Item{good}},
	} {
		if got, err := s.Commit(t.Context(), snap); err == nil || got.ID != "" {
			t.Errorf("%s: Commit = %+v, %v", name, got, err)
		}
	}
	if names := fileNames(t, r.path(refDir)); len(names) != 0 {
		t.Errorf("refs: %v", names)
	}
}

// index.json names everything once, and the bare names go to whom they belong.
func TestLayoutNames(t *testing.T) {
	now := newClock()
	r := initAt(t, t.TempDir(), Options{Now: now.Now, Host: "nas"})
	s := begin(t, r)
	make1 := func(complete bool, job string, items ...Item) Snapshot {
		now.Advance(time.Hour)
		return commit(t, s, Snapshot{Complete: complete, Job: job, Items: items})
	}
	image := func(name, content, tags string) Item {
		item := putItem(t, s, KindImage, name, content)
		if tags != "" {
			item.Annotations = map[string]string{AnnotationTags: tags}
		}
		return item
	}
	oldVol, newVol, cutVol := putItem(t, s, KindVolume, "data", "v1"), putItem(t, s, KindVolume, "data", "v2"), putItem(t, s, KindVolume, "data", "v3")
	half := putItem(t, s, KindVolume, "half", "h")
	archived := putItem(t, s, KindVolume, "old", "pruned")
	oldApp, newApp := image("app:1", "i1", ""), image("app:1", "i2", "app:1 app:latest")
	evil, untagged := image("volume/data", "evil", ""), image("sha256:abc", "u", "")
	first := make1(true, "", oldVol, oldApp, evil, untagged)
	second := make1(true, "", newVol, newApp)
	third := make1(false, "", cutVol, half)
	fourth := make1(true, JobPruneArchive, archived)
	want := map[string]string{
		"volume/data": newVol.Desc.Digest.String(), "volume/half": half.Desc.Digest.String(),
		"image/app:1": newApp.Desc.Digest.String(), "app:1": newApp.Desc.Digest.String(), "app:latest": newApp.Desc.Digest.String(),
		"image/volume/data": evil.Desc.Digest.String(), "image/sha256:abc": untagged.Desc.Digest.String(),
	}
	for _, snap := range []Snapshot{first, second, third, fourth} {
		want[snap.ID] = snap.Digest.String()
		for _, item := range snap.Items {
			want[snap.ID+"/"+itemRef(item)] = item.Desc.Digest.String()
		}
	}
	if got := layoutNames(t, r); !reflect.DeepEqual(got, want) {
		t.Errorf("index.json has\n%v, want\n%v", got, want)
	}
}

func TestFind(t *testing.T) {
	now := newClock()
	r := initAt(t, t.TempDir(), Options{Now: now.Now, Host: "nas"})
	s := begin(t, r)
	a, b := putItem(t, s, KindVolume, "a", "1"), putItem(t, s, KindVolume, "b", "2")
	at := func(id, host, job string, complete bool, items ...Item) {
		now.Advance(time.Hour)
		commit(t, s, Snapshot{ID: id, Host: host, Job: job, Complete: complete, Items: items})
	}
	at("aaaa000000000001", "nas", "daily", true, a, b)
	at("aaaa000000000002", "web", "daily", true, a)
	at("bbbb000000000003", "nas", "hourly", true, a)
	at("bbbb000000000004", "nas", "daily", false, a, b)
	at("cccc000000000005", "nas", JobPruneArchive, true, a)
	for _, c := range []struct {
		spec, want string
		q          Query
	}{
		{"latest", "bbbb000000000003", Query{}},
		{"latest", "aaaa000000000002", Query{Host: "web"}},
		{"latest", "aaaa000000000001", Query{Host: "nas", Job: "daily"}},
		{"latest", "aaaa000000000001", Query{ItemKind: KindVolume, ItemName: "b"}},
		{"latest", "cccc000000000005", Query{Job: JobPruneArchive}},
		{"bbbb000000000004", "bbbb000000000004", Query{}},
		{"cccc", "cccc000000000005", Query{}},
	} {
		if got, err := r.Find(t.Context(), c.spec, c.q); err != nil || got.ID != c.want {
			t.Errorf("Find(%s, %+v) = %s, %v, want %s", c.spec, c.q, got.ID, err, c.want)
		}
	}
	for _, spec := range []string{"dddd", "aaa", "", "../x", "AAAA", "aaaa0000000000011"} {
		if _, err := r.Find(t.Context(), spec, Query{}); !errors.Is(err, ErrNoSnapshot) {
			t.Errorf("Find(%q): %v", spec, err)
		}
	}
	if _, err := r.Find(t.Context(), Latest, Query{ItemKind: KindVolume, ItemName: "c"}); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("latest with an item that is nowhere: %v", err)
	}
	var ambiguous *AmbiguousError
	if _, err := r.Find(t.Context(), "aaaa", Query{}); !errors.As(err, &ambiguous) || len(ambiguous.Matches) != 2 {
		t.Errorf("Find(aaaa): %v", err)
	}
	snaps, err := r.Snapshots(t.Context())
	if err != nil || len(snaps) != 5 || snaps[0].ID != "cccc000000000005" || snaps[4].ID != "aaaa000000000001" {
		t.Errorf("Snapshots: %v, %v", snaps, err)
	}
}

// A damaged snapshot hides no other, is named, and is not passed over in
// silence when it is the one that was asked for.
func TestDamagedSnapshot(t *testing.T) {
	now := newClock()
	r := initAt(t, t.TempDir(), Options{Now: now.Now, Host: "nas"})
	s := begin(t, r)
	old := commitTree(t, s, "a", 1)
	now.Advance(time.Hour)
	bad := commitTree(t, s, "a", 5)
	writeFile(t, blobFile(r, bad.Digest), []byte("garbage"))
	var unreadable *UnreadableError
	var damaged *DamagedError
	snaps, err := r.Snapshots(t.Context())
	if len(snaps) != 1 || !errors.As(err, &unreadable) || unreadable.Problems[0].ID != bad.ID || !errors.As(err, &damaged) {
		t.Errorf("Snapshots = %v, %v", snaps, err)
	}
	for _, spec := range []string{Latest, bad.ID} {
		if _, err := r.Find(t.Context(), spec, Query{}); !errors.As(err, &unreadable) {
			t.Errorf("Find(%s): %v", spec, err)
		}
	}
	if got, err := r.Find(t.Context(), old.ID, Query{}); err != nil || got.ID != old.ID {
		t.Errorf("Find of the other: %v, %v", got.ID, err)
	}
	now.Advance(time.Hour)
	fresh := commitTree(t, s, "a", 9)
	if got, err := r.Find(t.Context(), Latest, Query{}); err != nil || got.ID != fresh.ID {
		t.Errorf("a newer whole one: %v, %v", got.ID, err)
	}
	if err := os.Rename(r.path(refDir, old.ID+".json"), r.path(refDir, "0123456789abcdef.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshots(t.Context()); !errors.As(err, &unreadable) || len(unreadable.Problems) != 2 {
		t.Errorf("a ref of another name: %v", err)
	}
}

// Commits of several processes at once lose nobody's names.
func TestConcurrentCommits(t *testing.T) {
	r := newRepo(t)
	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	for n := range 6 {
		other := reopen(t, r)
		s := begin(t, other)
		wg.Go(func() {
			for k := range 4 {
				item, err := putTree(t.Context(), s, fmt.Sprint("v", n), makeChunk(uint64(100*n+k), 500), makeChunk(7, 100))
				if err != nil {
					t.Error(err)
					return
				}
				snap, err := s.Commit(t.Context(), Snapshot{Complete: true, Items: []Item{item}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids = append(ids, snap.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	names := layoutNames(t, r)
	for _, id := range ids {
		if _, ok := names[id]; !ok {
			t.Errorf("index.json has no %s", id)
		}
	}
	if snaps := checkWhole(t, reopen(t, r)); len(snaps) != 24 || len(ids) != 24 {
		t.Errorf("%d snapshots, %d committed", len(snaps), len(ids))
	}
}

// More items than one index may hold come back in order.
func TestManyItems(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	one := putItem(t, s, KindVolume, "x", "1")
	var items []Item
	for n := range maxChildren + 5 {
		items = append(items, Item{Kind: KindVolume, Name: fmt.Sprintf("v%05d", n), Desc: one.Desc})
	}
	commit(t, s, Snapshot{Complete: true, Items: items})
	got, err := r.Find(t.Context(), Latest, Query{})
	if err != nil {
		t.Fatal(err)
	}
	same := slices.EqualFunc(got.Items, items, func(a, b Item) bool { return a.Name == b.Name && a.Kind == b.Kind })
	if !same {
		t.Errorf("%d items came back", len(got.Items))
	}
}

func TestEscapeName(t *testing.T) {
	for name, want := range map[string]string{
		"pgdata": "pgdata", "/srv/a:b": "/srv/a:b", "a b": "a%20b", "%41": "%2541", "\x1b\n": "%1B%0A", "ü\xff": "%C3%BC%FF",
	} {
		got := escapeName(name)
		back, err := unescapeName(got)
		if got != want || back != name || err != nil {
			t.Errorf("escapeName(%q) = %q -> %q, %v, want %q", name, got, back, err, want)
		}
	}
	for _, bad := range []string{"%41", "%1b", "a b", "%", "%zz", "\x1b"} {
		if name, err := unescapeName(bad); err == nil {
			t.Errorf("unescapeName(%q) = %q", bad, name)
		}
	}
	if strings.Contains(escapeName("a\x00b"), "\x00") {
		t.Error("a zero byte stays")
	}
}

// A snapshot that is withdrawn when its ref was there already is not named by index.json either, which is written meanwhile.
func TestWithdrawnIsNotNamed(t *testing.T) {
	r := initInMemory(t)
	s := begin(t, r)
	first := commitTree(t, s, "first", 1)
	item, err := putTree(t.Context(), s, "second", makeChunk(3, 1000))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.trace = func(step string) {
		if step == "after ref" {
			cancel()
		}
	}
	if snap, err := s.Commit(ctx, Snapshot{Complete: true, Items: []Item{item}}); !errors.Is(err, context.Canceled) || snap.ID != "" {
		t.Fatalf("commit: %+v, %v", snap, err)
	}
	if snaps, err := r.Snapshots(t.Context()); err != nil || len(snaps) != 1 || snaps[0].ID != first.ID {
		t.Errorf("snapshots: %+v, %v", snaps, err)
	}
	names, err := r.store.Get(t.Context(), "index.json", mib)
	if err != nil || !strings.Contains(string(names), first.ID) || strings.Contains(string(names), "second") {
		t.Errorf("index.json: %s, %v", names, err)
	}
}
