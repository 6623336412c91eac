// Command churn is what tests run in a container that works against a backup:
//
//	churn map DIR            store counters through a memory map, and the same by write
//	churn swap DIR OUTSIDE   swap files for links, pipes and devices, folders for links to OUTSIDE
//
// It says "ready" once it is at work, and works until it is killed.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "map":
		err = storeMapped(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "swap":
		err = swap(os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: churn map DIR | churn swap DIR OUTSIDE")
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// mapSizes are of a file that is saved together with others, and of one that is cut into chunks of its own.
func mapSizes() map[string]int { return map[string]int{"a/small": 64 << 10, "a/large": 4 << 20} }

// storeMapped counts in the first and the last page of each mapped file, then in DIR/z/marker. The stores into the maps
// change no time of the files once the pages are dirty; the write does. At any moment no map is behind the marker.
func storeMapped(dir string) error {
	var counters []*uint64
	for name, size := range mapSizes() {
		pages, err := mapped(filepath.Join(dir, name), size)
		if err != nil {
			return err
		}
		counters = append(counters, (*uint64)(unsafe.Pointer(&pages[0])), (*uint64)(unsafe.Pointer(&pages[size-8])))
	}
	marker, err := os.Create(filepath.Join(dir, "z/marker"))
	if err != nil {
		return err
	}
	var text [8]byte
	for n := uint64(1); ; n++ {
		for _, c := range counters {
			atomic.StoreUint64(c, n)
		}
		binary.LittleEndian.PutUint64(text[:], n)
		if _, err := marker.WriteAt(text[:], 0); err != nil {
			return err
		}
		if n == 1 {
			fmt.Println("ready")
		}
		time.Sleep(50 * time.Microsecond) // leaves the processor to the backup
	}
}

// mapped makes a file of zeros and maps it.
func mapped(path string, size int) ([]byte, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Write(make([]byte, size)); err != nil {
		return nil, err
	}
	return unix.Mmap(int(file.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

const swappedFiles, swappedFolders = 64, 8

// swap changes what the names in DIR are, as fast as it can. At any moment there are names of every kind. What is regular
// holds only "inside".
func swap(dir, outside string) error {
	inside := []byte(strings.Repeat("inside\n", 1000))
	if err := os.Chdir(dir); err != nil {
		return err
	}
	for i := range swappedFolders {
		name := fmt.Sprintf("folder%d", i)
		if err := os.Mkdir(name, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(name, "secret"), inside, 0o644); err != nil {
			return err
		}
		if err := os.Symlink(outside, name+"-twin"); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		name := fmt.Sprintf("file%d", n%swappedFiles)
		if err := replace(name, (n/swappedFiles+n)%5, inside, outside); err != nil {
			return err
		}
		folder := fmt.Sprintf("folder%d", n%swappedFolders)
		if err := unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, folder+"-twin", unix.RENAME_EXCHANGE); err != nil {
			return fmt.Errorf("exchange %s: %w", folder, err)
		}
		if n == 5*swappedFiles {
			fmt.Println("ready")
		}
	}
}

// replace puts something of another kind under a name, in one step.
func replace(name string, kind int, inside []byte, outside string) error {
	const fresh = "fresh"
	var err error
	switch kind {
	case 0, 2: // more often than the rest: a file is what a reader means to open
		err = os.WriteFile(fresh, inside, 0o644)
	case 1:
		err = os.Symlink(filepath.Join(outside, "secret"), fresh)
	case 3:
		err = unix.Mknod(fresh, unix.S_IFIFO|0o644, 0)
	case 4:
		err = unix.Mknod(fresh, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))) // /dev/zero
	}
	if err != nil {
		return err
	}
	return os.Rename(fresh, name)
}
