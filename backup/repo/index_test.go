package repo

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// manyBlobs are records of random ids; some share the first eight bytes.
func manyBlobs(n int) []Blob {
	random := rand.New(rand.NewPCG(1, 2))
	blobs := make([]Blob, n)
	for i := range blobs {
		for j := range blobs[i].ID {
			blobs[i].ID[j], blobs[i].Digest[j] = byte(random.Uint32()), byte(random.Uint32())
		}
		if i%10 == 1 {
			copy(blobs[i].ID[:8], blobs[i-1].ID[:8])
		}
		blobs[i].Len, blobs[i].Stored = int64(i), int64(i)/2
	}
	return blobs
}

func writeIndexOf(t testing.TB, r *Repository, name string, sequence uint64, blobs []Blob) {
	t.Helper()
	blobs = slices.SortedFunc(slices.Values(blobs), compareBlobs)
	if err := r.writeIndexFile(t.Context(), indexDir+"/"+name, sequence, withoutError(slices.Values(blobs))); err != nil {
		t.Fatal(err)
	}
}

// Every record of hundreds of files is found, and nothing else.
func TestLookupAmongManyFiles(t *testing.T) {
	r := newRepo(t)
	blobs := manyBlobs(20_000)
	known, unknown := blobs[:19_000], blobs[19_000:]
	n := 0
	for part := range slices.Chunk(known, 61) {
		n++
		writeIndexOf(t, r, indexFileName("ab", int64(n)), uint64(n), part)
	}
	other := reopen(t, r)
	for _, b := range known {
		if got, ok := other.Lookup(b.ID); !ok || got != b {
			t.Fatalf("Lookup(%s) = %+v, %v, want %+v", b.ID, got, ok, b)
		}
	}
	for _, b := range unknown {
		if got, ok := other.Lookup(b.ID); ok {
			t.Fatalf("Lookup of an unknown id = %+v", got)
		}
	}
}

// Of two encodings of one content the newer is found, in whatever order the
// files are read.
func TestLookupPrefersNewer(t *testing.T) {
	for _, names := range [][2]string{{"aa-1.idx", "bb-1.idx"}, {"bb-1.idx", "aa-1.idx"}} {
		r := newRepo(t)
		old := manyBlobs(1)[0]
		newer := old
		newer.Digest[0]++
		writeIndexOf(t, r, names[0], 4, []Blob{old})
		writeIndexOf(t, r, names[1], 5, []Blob{newer})
		if got, _ := reopen(t, r).Lookup(old.ID); got != newer {
			t.Errorf("%v: got the older", names)
		}
	}
}

// Whatever happens to an index file, it is named as a problem and yields
// nothing; the others go on working, and what is lost is written again.
func TestDamagedIndexIsLeftOut(t *testing.T) {
	blobs := manyBlobs(50)
	r := newRepo(t)
	writeIndexOf(t, r, "cc-1.idx", 1, blobs[:40])
	good := readFile(t, r.path(indexDir, "cc-1.idx"))
	flip := func(at int) []byte {
		data := bytes.Clone(good)
		data[at] ^= 1
		return data
	}
	swapped := bytes.Clone(good)
	copy(swapped[indexHeaderLen:], good[indexHeaderLen+indexRecordLen:indexHeaderLen+2*indexRecordLen])
	copy(swapped[indexHeaderLen+indexRecordLen:], good[indexHeaderLen:indexHeaderLen+indexRecordLen])
	for name, data := range map[string][]byte{
		"empty":        {},
		"garbage":      []byte(strings.Repeat("garbage!", 100)),
		"cut":          good[:len(good)/2],
		"cut a record": slices.Concat(good[:len(good)-indexSumLen-indexRecordLen], good[len(good)-indexSumLen:]),
		"magic":        flip(0),
		"version":      flip(11),
		"record len":   flip(15),
		"sequence":     flip(20),
		"an id":        flip(indexHeaderLen + 3),
		"a length":     flip(indexHeaderLen + 70),
		"the checksum": flip(len(good) - 1),
		"order":        swapped,
		"longer":       append(bytes.Clone(good), 0),
	} {
		r := newRepo(t)
		writeIndexOf(t, r, "dd-1.idx", 2, blobs[40:])
		writeFile(t, r.path(indexDir, "cc-1.idx"), data)
		other := reopen(t, r)
		if p := other.IndexProblems(); len(p) != 1 || p[0].File != "cc-1.idx" || p[0].Err == nil {
			t.Errorf("%s: problems are %v", name, p)
		}
		for i, b := range blobs {
			if _, ok := other.Lookup(b.ID); ok != (i >= 40) {
				t.Errorf("%s: Lookup of record %d: %v", name, i, ok)
			}
		}
	}
}

// Many files become few, with every record kept, while another process goes on
// with the old ones and a third merges at the same time.
func TestMergeKeepsEveryRecord(t *testing.T) {
	r := newRepo(t)
	blobs := manyBlobs(3000)
	for n := range 100 {
		writeIndexOf(t, r, indexFileName("ab", int64(n)), uint64(n), blobs[n*30:n*30+30])
	}
	before := reopen(t, r)
	var wg sync.WaitGroup
	for range 3 {
		merger := reopen(t, r)
		wg.Go(func() {
			if err := merger.mergeIndex(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if names := fileNames(t, r.path(indexDir)); len(names) > mergeAbove {
		t.Errorf("%d files are left", len(names))
	}
	after := reopen(t, r)
	for _, state := range []*Repository{before, after} {
		for _, b := range blobs {
			if got, ok := state.Lookup(b.ID); !ok || got != b {
				t.Fatalf("Lookup = %+v, %v, want %+v", got, ok, b)
			}
		}
	}
	if err := before.index.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, ok := before.Lookup(blobs[77].ID); !ok || got != blobs[77] {
		t.Errorf("after Refresh: %+v, %v", got, ok)
	}
}

// A session that syncs often does not drown the repository in index files.
func TestManySyncsFewFiles(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	var ids []ID
	for n := range uint64(80) {
		c := makeChunk(n, 10)
		put(t, s, c)
		ids = append(ids, c.id)
		if err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if names := fileNames(t, r.path(indexDir)); len(names) > mergeAbove {
		t.Errorf("%d index files", len(names))
	}
	for _, state := range []*Repository{r, reopen(t, r)} {
		for _, id := range ids {
			if _, ok := state.Lookup(id); !ok {
				t.Fatalf("%s is lost", id)
			}
		}
	}
}

// A merge takes the small files and leaves a big one, so that a big index is
// not rewritten every few minutes.
func TestChooseForMerge(t *testing.T) {
	var files []*indexFile
	for range 40 {
		files = append(files, &indexFile{size: 100})
	}
	if got := chooseForMerge(files); len(got) != 40 {
		t.Errorf("of 40 small files %d are chosen", len(got))
	}
	files = append(files, &indexFile{size: 1_000_000}, &indexFile{size: 5_000_000})
	got := chooseForMerge(files)
	if len(got) != 40 || slices.ContainsFunc(got, func(f *indexFile) bool { return f.size > 100 }) {
		t.Errorf("beside big files %d are chosen", len(got))
	}
}

// From the manifests alone the index comes back as it was; a blob that is gone
// is named and left out; what no snapshot holds stays while its file is there.
func TestRebuildIndex(t *testing.T) {
	r := newRepo(t)
	s := begin(t, r)
	commitTree(t, s, "a", 1)
	commitTree(t, s, "b", 10)
	for _, name := range fileNames(t, r.path(indexDir)) {
		writeFile(t, r.path(indexDir, name), []byte("garbage"))
	}
	lone, lost := makeChunk(50, 10), makeChunk(1, 1000)
	third := begin(t, reopen(t, r))
	put(t, third, lone)
	if err := third.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(blobFile(r, DigestOf(lost.stored))); err != nil {
		t.Fatal(err)
	}
	broken := reopen(t, r)
	if _, ok := broken.Lookup(makeChunk(10, 1000).id); ok || len(broken.IndexProblems()) != 2 {
		t.Fatalf("the index is not lost: %v", broken.IndexProblems())
	}
	result, err := broken.RebuildIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Missing) != 1 || result.Missing[0] != DigestOf(lost.stored) {
		t.Errorf("missing: %v", result.Missing)
	}
	if names := fileNames(t, r.path(indexDir)); len(names) != 1 {
		t.Errorf("index files: %v", names)
	}
	fresh := reopen(t, r)
	if _, ok := fresh.Lookup(lost.id); ok || len(fresh.IndexProblems()) != 0 {
		t.Errorf("lost blob is found, or problems: %v", fresh.IndexProblems())
	}
	if _, ok := fresh.Lookup(lone.id); !ok {
		t.Error("a blob that no snapshot holds is lost")
	}
	put(t, begin(t, fresh), lost)
	checkWhole(t, fresh)
}

func BenchmarkLookup(b *testing.B) {
	for _, files := range []int{1, 300} {
		r := newRepo(b)
		blobs := manyBlobs(300_000)
		for n := range files {
			share := len(blobs) / files
			writeIndexOf(b, r, indexFileName("ab", int64(n)), uint64(n), blobs[n*share:(n+1)*share])
		}
		other := reopen(b, r)
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i = (i + 7919) % len(blobs)
				if _, ok := other.Lookup(blobs[i].ID); !ok {
					b.Fatal(errors.New("lost"))
				}
			}
		})
	}
}
