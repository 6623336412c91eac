package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"

	"golang.org/x/sys/unix"
)

// A store through a page that is dirty already changes no time of the file. The container stores n into maps, then writes
// n to another file, far from them: a snapshot of one moment has maps that are not behind that file, and at most one ahead.
func TestStoresThroughAMapAreInTheSnapshot(t *testing.T) {
	enginetest.NeedRoot(t)
	t.Parallel()
	data := enginetest.Disk(t, 64<<20) // of its own: a sync of the repository's disk would clean the pages, too
	s := newEngineSite(t, 256<<20, enginetest.DockerdOptions{Version: "20.10"})
	s.data = data
	for _, name := range []string{"a/small", "a/large", "z/marker"} {
		write(t, filepath.Join(s.data, name), nil)
	}
	for i := range 40 { // small files are saved together: none of those near a map shall change
		write(t, fmt.Sprintf("%s/m/%d", s.data, i), noise(200<<10))
	}
	s.runApp(t, "churn", "map", "/data")
	s.says(t, "app", "ready")
	var before uint64
	for range 3 {
		// Young times are not trusted: then the maps would be read again anyway, and prove nothing.
		eventually(t, time.Minute, "the maps' times are old", func() bool {
			return changedBefore(t, s.data+"/a/small", 3*time.Second) && changedBefore(t, s.data+"/a/large", 3*time.Second)
		})
		report := s.create(t, []int{0}, "--volume", "data")
		if len(report.Freezes) != 1 {
			t.Fatalf("freezes: %+v", report.Freezes)
		}
		out := s.restored(t, "latest:volume/data")
		marker := counter(t, out+"/z/marker", 0)
		for name, last := range map[string]int64{"a/small": 64<<10 - 8, "a/large": 4<<20 - 8} {
			for _, at := range []int64{0, last} {
				if got := counter(t, filepath.Join(out, name), at); got != marker && got != marker+1 {
					t.Errorf("the container had counted to %d, %s has %d at %d", marker, name, got, at)
				}
			}
		}
		if marker <= before {
			t.Errorf("the container counted to %d, and before to %d", marker, before)
		}
		before = marker
	}
}

func changedBefore(t *testing.T, path string, ago time.Duration) bool {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return time.Since(time.Unix(st.Ctim.Unix())) > ago
}

func counter(t *testing.T, path string, at int64) uint64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [8]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// A container that swaps files for links, pipes and devices, and folders for links, while davit reads gets nothing into
// the snapshot that lies outside, and does not make davit hang.
func TestSwappedFilesLeadNowhere(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newEngineSite(t, 256<<20, enginetest.DockerdOptions{Version: "20.10"})
	const secret = "what nobody but root may read"
	outside := filepath.Join(s.disk, "outside")
	write(t, filepath.Join(outside, "secret"), []byte(secret))
	if err := os.Chmod(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	s.runApp(t, "churn", "swap", "/data", outside)
	s.says(t, "app", "ready")
	seen := map[fs.FileMode]int{}
	for i := range 12 {
		consistency := []string{"live", "live", "pause"}[i%3]
		codes := []int{0, 3}
		if consistency == "pause" {
			codes = []int{0}
		}
		s.create(t, codes, "--volume", "data", "--consistency", consistency)
		out := s.restored(t, "latest:volume/data")
		err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			seen[e.Type()]++
			if e.Type().IsRegular() {
				onlyInside(t, path, secret)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []fs.FileMode{0, fs.ModeDir, fs.ModeSymlink, fs.ModeNamedPipe, fs.ModeDevice | fs.ModeCharDevice} {
		if seen[kind] == 0 {
			t.Errorf("no snapshot has a %v: the container did not swap", kind)
		}
	}
	if got := s.status("app"); got != "running" {
		t.Errorf("app is %s", got)
	}
	s.ok(t, "backup", "verify", "--read-data")
}

// onlyInside checks that a regular file has nothing but what the container writes.
func onlyInside(t *testing.T, path, secret string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch whole := strings.Repeat("inside\n", 1000); {
	case bytes.Contains(data, []byte(secret)):
		t.Errorf("%s has what lies outside", path)
	case !strings.HasPrefix(whole, string(data)):
		t.Errorf("%s has %d bytes that the container never wrote", path, len(data))
	}
}
