package enginetest

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// BuildTree fills the existing, empty folder dir with one of everything a backup has to keep: modes, owners, times, links,
// devices, attributes, ACLs, holes, odd names, and sizes at every border. It is the same tree each time, about 30 MB. What
// only root may make is left out without root. The file system must know xattrs, ACLs and nanoseconds. For a socket and
// for a huge file see AddSocket and AddHugeSparse.
func BuildTree(t testing.TB, dir string) {
	t.Helper()
	b := builder{t: t, top: dir, root: os.Geteuid() == 0}
	b.sizes()
	b.names()
	b.modes()
	b.times()
	b.links()
	b.nodes()
	b.attributes()
	b.acls()
	b.holes()
	b.foldersLast()
}

// AddSocket puts a unix socket that nobody listens on at path.
func AddSocket(t testing.TB, path string) {
	t.Helper()
	(&builder{t: t}).must(unix.Mknod(path, unix.S_IFSOCK|0o640, 0))
}

// AddHugeSparse puts a file of more than 8 GiB, nearly all of it holes, at path.
func AddHugeSparse(t testing.TB, path string) {
	t.Helper()
	b := builder{t: t, top: filepath.Dir(path)}
	b.sparse(filepath.Base(path), 9<<30+5, 0, 8<<30+1<<20, 9<<30-4096)
}

// builder makes files below top; paths are relative to it.
type builder struct {
	t    testing.TB
	top  string
	root bool
}

func (b *builder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("build tree: %v", err)
	}
}

func (b *builder) at(path string) string { return filepath.Join(b.top, path) }

func (b *builder) mkdir(path string) string {
	b.t.Helper()
	b.must(os.MkdirAll(b.at(path), 0o755))
	return path
}

// file makes a file, with a time that has nanoseconds and depends on its path only.
func (b *builder) file(path string, content []byte) {
	b.t.Helper()
	b.mkdir(filepath.Dir(path))
	b.must(os.WriteFile(b.at(path), content, 0o644))
	b.must(os.Chmod(b.at(path), 0o644))
	b.stamp(path)
}

func (b *builder) text(path string) {
	b.t.Helper()
	b.file(path, []byte("the content of "+path+"\n"))
}

func (b *builder) stamp(path string) {
	b.t.Helper()
	h := seed(path)
	b.mtime(path, 1_500_000_000+int64(h%100_000_000), int64(h>>32%1_000_000_000))
}

func (b *builder) mtime(path string, sec, nsec int64) {
	b.t.Helper()
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: sec, Nsec: nsec}}
	b.must(unix.UtimesNanoAt(unix.AT_FDCWD, b.at(path), times, unix.AT_SYMLINK_NOFOLLOW))
}

func seed(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// noise is content that does not compress.
func noise(name string, size int) []byte {
	source := rand.New(rand.NewPCG(seed(name), 1))
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(source.Uint32())
	}
	return out
}

// prose is content that compresses well, and differs by name.
func prose(name string, size int) []byte {
	var out []byte
	for i := 0; len(out) < size; i++ {
		out = fmt.Appendf(out, "%s, line %d: all work and no play\n", name, i)
	}
	return out[:size]
}

func (b *builder) sizes() {
	const MiB = 1 << 20
	for _, size := range []int{0, 1, 511, 512, 513, 4095, 4096, 4097, MiB - 1, MiB, MiB + 1} {
		name := fmt.Sprintf("sizes/%07d", size)
		b.file(name, noise(name, size))
	}
	b.file("big/noise", noise("big/noise", 9*MiB+77))
	b.file("big/prose", prose("big/prose", 6*MiB+1))
	b.file("big/zeros", make([]byte, 2*MiB))
	b.file("big/the same as noise", noise("big/noise", 9*MiB+77))
	for i := range 300 {
		name := fmt.Sprintf("small/%03d", i)
		b.file(name, prose(name, i*37))
	}
}

func (b *builder) names() {
	for _, name := range []string{
		"new\nline", "not utf-8 \xff\xfe", "esc \x1b[31mred", "tab\tand\rreturn", " spaces ", "-rf", "--", "~", "...",
		"quote'\"`$HOME", `back\slash`, "*?[a]{b,c}", "漢字", "a:b=c,d", "%2F", "#", "@", "\x01\x7f",
		strings.Repeat("n", 255), strings.Repeat("é", 127),
	} {
		b.text("names/" + name)
		b.text("names/in " + name[:min(len(name), 200)] + "/" + name)
	}
	// In a sort of whole paths, "a.b" and "a!" would come between a and what is in it.
	for _, path := range []string{"order/a/x", "order/a!", "order/a.b", "order/a0", "order/A", "order/aa/x"} {
		b.text(path)
	}
	deep := "deep"
	for i := range 12 {
		deep += "/" + strings.Repeat(string(rune('a'+i)), 90)
	}
	b.text(deep + "/file")
	b.mkdir("empty")
	b.mkdir("empty folders/one/in another")
}

func (b *builder) modes() {
	for _, mode := range []uint32{0o4755, 0o2755, 0o1644, 0o7777, 0o400, 0o666, 0o751} {
		path := fmt.Sprintf("modes/file %04o", mode)
		b.text(path)
		b.must(unix.Chmod(b.at(path), mode))
		path = b.mkdir(fmt.Sprintf("modes/folder %04o", mode|0o500))
		b.must(unix.Chmod(b.at(path), mode|0o500))
	}
	if !b.root {
		return
	}
	b.text("modes/file 0000")
	b.must(unix.Chmod(b.at("modes/file 0000"), 0))
	b.text("modes/folder 0000/file")
	b.must(unix.Chmod(b.at("modes/folder 0000"), 0))
	for _, id := range []int{1, 1000, 65534, 2097151, 2097152, 4294967294} {
		path := fmt.Sprintf("owners/%d", id)
		b.text(path)
		b.must(unix.Lchown(b.at(path), id, id-1))
		b.must(unix.Chmod(b.at(path), 0o6711)) // chown took the setuid bit of any earlier chmod
		b.must(unix.Lchown(b.at(b.mkdir(path+" folder")), id-1, id))
	}
}

func (b *builder) times() {
	for name, at := range map[string][2]int64{
		"1970": {0, 0}, "1970 and a nanosecond": {0, 1}, "second before 1970": {-1, 999_999_999}, "1950": {-631_152_000, 123_456_789},
		"after 2038": {1 << 31, 5}, "2100": {4_102_444_800, 999_999_999}, "whole second": {1_600_000_000, 0}, "old": {86_400, 700},
	} {
		b.text("times/" + name)
		b.mtime("times/"+name, at[0], at[1])
	}
}

// foldersLast gives the folders their times, after everything in them is made.
func (b *builder) foldersLast() {
	var folders []string
	b.must(filepath.WalkDir(b.top, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			rel, _ := filepath.Rel(b.top, path)
			folders = append(folders, rel)
		}
		return err
	}))
	for _, path := range slices.Backward(folders) {
		b.stamp(path)
	}
}
