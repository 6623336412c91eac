package enginetest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Rot changes the first byte of mark, which path holds and nothing else on its disk, below the file system: no
// time of the file moves. The disk is the mount folder that Disk returned.
func Rot(t testing.TB, disk, path string, mark []byte) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := unix.Syncfs(int(file.Fd())); err != nil {
		t.Fatal(err)
	}
	image, err := os.OpenFile(filepath.Join(filepath.Dir(disk), "image"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	size, err := image.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf, err := unix.Mmap(int(image.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(bytesOf, mark)
	if at >= 0 {
		bytesOf[at] ^= 1
	}
	if err := unix.Munmap(bytesOf); err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		t.Fatalf("%q is not on the disk", mark)
	}
	// What the kernel read of the file before is not what the disk holds now.
	if err := unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}
