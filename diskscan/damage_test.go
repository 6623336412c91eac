package diskscan_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// makeDataRoot makes what an engine that is gone may have left: a container with a hostile name, logs, volumes.
func makeDataRoot(t *testing.T, root string) (id string) {
	t.Helper()
	id = strings.Repeat("ab", 32)
	for path, content := range map[string]string{
		"containers/" + id + "/config.v2.json": `{"ID":"` + id + `","Name":"/evil\u001b[31m<script>alert(1)</script>","Image":"sha256:` + id + `",` +
			`"State":{"Running":true,"StartedAt":"2026-01-01T00:00:00Z"},"MountPoints":{"/d":{"Type":"volume","Name":"data"}}}`,
		"containers/" + id + "/hostconfig.json":         `{"LogConfig":{"Type":"json-file","Config":{}}}`,
		"containers/" + id + "/" + id + "-json.log":     strings.Repeat("x", 300_000),
		"containers/" + strings.Repeat("cd", 32) + "/x": "left by a removal",
		"volumes/data/_data/file":                       strings.Repeat("v", 200_000),
		"volumes/free/_data/file":                       strings.Repeat("v", 100_000),
		"overlay2/nobody/diff/file":                     strings.Repeat("n", 50_000),
		"image/overlay2/repositories.json":              `{"Repositories":{}}`,
		"image/overlay2/layerdb/sha256/" + strings.Repeat("1", 64) + "-77-removing/cache-id": "halfgone",
		"overlay2/halfgone/diff/file": strings.Repeat("h", 150_000),
		"network/files/x":             "",
		"strange/file":                strings.Repeat("s", 30_000),
	} {
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, path), []byte(content), 0o600))
	}
	return id
}

func ownerOf(r *diskscan.Report, kind diskscan.Kind, name string) *diskscan.Owner {
	for i, o := range r.Owners {
		if o.Kind == kind && (o.Name == name || name == "") {
			return &r.Owners[i]
		}
	}
	return nil
}

func checkDataRoot(t *testing.T, r *diskscan.Report) {
	t.Helper()
	evil := "evil\x1b[31m<script>alert(1)</script>"
	for _, want := range []struct {
		kind  diskscan.Kind
		name  string
		least int64
	}{
		{diskscan.Log, evil, 300_000}, {diskscan.Volume, "data", 200_000}, {diskscan.Volume, "free", 100_000},
		{diskscan.Unknown, "layers in overlay2", 50_000}, {diskscan.Leftover, "half-deleted layers", 150_000},
		{diskscan.Unknown, "in the data-root", 30_000}, {diskscan.Leftover, "container cdcdcdcdcdcd without a definition", 1024},
	} {
		if o := ownerOf(r, want.kind, want.name); o == nil || o.Bytes < want.least {
			t.Errorf("no %s %q of %d bytes in\n%s", want.kind, want.name, want.least, show(r))
		}
	}
	if o := ownerOf(r, diskscan.Volume, "data"); o != nil && !slices.Equal(o.UsedBy, []string{evil}) {
		t.Errorf("data is used by %q", o.UsedBy)
	}
}

// Databases that are no databases, are cut short or hold garbage cost their own facts only, and are named.
func TestCorruptDatabases(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty":   {},
		"text":    []byte("this is no database"),
		"zeros":   make([]byte, 100_000),
		"garbage": []byte(strings.Repeat("\xff\x13\x00\x42", 20_000)),
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			makeDataRoot(t, root)
			for _, path := range []string{"volumes/metadata.db", "buildkit/snapshots.db", "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
				"containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db"} {
				must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
				must(t, os.WriteFile(filepath.Join(root, path), content, 0o600))
			}
			must(t, os.WriteFile(filepath.Join(root, "image/overlay2/repositories.json"), []byte("{"), 0o600))
			r := survey(t, &diskscan.Survey{Paths: []string{root}})
			checkDataRoot(t, r)
			for _, bad := range []string{"volumes/metadata.db", "buildkit/snapshots.db", "meta.db", "snapshotter.v1.overlayfs/metadata.db", "repositories.json"} {
				if !slices.ContainsFunc(r.Problems, func(p diskscan.Problem) bool { return strings.HasSuffix(p.Path, bad) }) {
					t.Errorf("nothing said about %s: %v", bad, r.Problems)
				}
			}
			if r.Incomplete() == nil {
				t.Error("the report says it is complete")
			}
		})
	}
}

// A database with one page overwritten anywhere never ends the program.
func TestDamagedPages(t *testing.T) {
	enginetest.NeedRoot(t)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{Version: "28.5", ContainerdStore: true})
	d.MakeImage(t, "base:1")
	d.BuildKit(t, "built:1", "FROM base:1\nRUN echo x > /x\n")
	file := filepath.Join(d.ContainerdRoot, "io.containerd.metadata.v1.bolt/meta.db")
	good, err := os.ReadFile(file)
	must(t, err)
	root := t.TempDir()
	copied := filepath.Join(root, "io.containerd.metadata.v1.bolt/meta.db")
	must(t, os.MkdirAll(filepath.Dir(copied), 0o755))
	damaged := 0
	for page := 2 * 4096; page < len(good); page += 4096 {
		for _, fill := range []byte{0, 0xff, 0x42} {
			bad := slices.Clone(good)
			for i := range 4096 {
				bad[page+i] = fill
			}
			must(t, os.WriteFile(copied, bad, 0o600))
			if r := survey(t, &diskscan.Survey{Paths: []string{root}}); len(r.Problems) > 0 {
				damaged++
			}
		}
	}
	if damaged == 0 {
		t.Error("no damage was seen")
	}
}

// On a full disk, of bytes or of inodes, everything is told, the limit first, and nothing is written.
func TestFullDisks(t *testing.T) {
	for _, limit := range []diskscan.Limit{diskscan.Bytes, diskscan.Inodes} {
		t.Run(string(limit), func(t *testing.T) {
			disk := enginetest.Disk(t, 24<<20)
			root := filepath.Join(disk, "docker")
			makeDataRoot(t, root)
			if limit == diskscan.Bytes {
				fillBytes(t, filepath.Join(root, "volumes/data/_data/fill"))
			} else {
				fillInodes(t, filepath.Join(root, "volumes/data/_data"))
			}
			syncDisk(t, disk)
			bytes, inodes := du(t, root)
			r := survey(t, &diskscan.Survey{Paths: []string{root}})
			checkDataRoot(t, r)
			if fs := r.FileSystems[0]; !slices.Contains(fs.Hit, limit) || fs.MountPoint != disk || fs.Type != "ext4" {
				t.Errorf("file system %+v", fs)
			}
			if r.Total.Bytes != bytes || r.Total.Inodes != inodes || r.Incomplete() != nil {
				t.Errorf("total %+v, du says %d and %d; %v", r.Total, bytes, inodes, r.Incomplete())
			}
			if after, n := du(t, root); after != bytes || n != inodes {
				t.Errorf("the disk has changed: %d and %d, was %d and %d", after, n, bytes, inodes)
			}
		})
	}
}

func fillBytes(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		buf := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(buf)
		}
	}
	must(t, unix.Fsync(int(f.Fd())))
}

func fillInodes(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		if err := unix.Mknod(filepath.Join(dir, strconv.Itoa(i)), unix.S_IFREG|0o600, 0); err != nil {
			if err != unix.ENOSPC {
				t.Fatal(err)
			}
			return
		}
	}
}
