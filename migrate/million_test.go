//go:build integration

package migrate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
	"davit/migrate/preflight"
)

// silent is a Reporter for nobody.
type silent struct{}

func (silent) Start(int64, int64) {}
func (silent) Item(string)        {}
func (silent) Add(int64)          {}
func (silent) Say(string)         {}
func (silent) Down(time.Time)     {}

// mostMemory is what a worker may take at its peak to move a million files.
const mostMemory = 300 << 20

// A worker that moves a million files, a fifth of them further names of others, takes no more memory than it may. It
// is a process of its own, so that nothing else counts: a first pass, a last one from what the first has kept, and the comparison.
func TestMemoryOfAMillionFiles(t *testing.T) {
	if from := os.Getenv("MOVE_FROM"); from != "" {
		moveTree(t, from, os.Getenv("MOVE_TO"))
		return
	}
	const size = 24 << 30 // of its sparse image: ext4 makes an inode for each 16 KiB
	from, to := enginetest.Disk(t, size), enginetest.Disk(t, size)
	names := makeMillion(t, from)
	child := exec.Command(os.Args[0], "-test.run=^TestMemoryOfAMillionFiles$", "-test.v")
	child.Env = append(os.Environ(), "MOVE_FROM="+from, "MOVE_TO="+filepath.Join(to, "docker"))
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	peak := child.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	t.Logf("%d names, peak %d MB, %s", names, peak/1e6, out)
	if peak > mostMemory {
		t.Errorf("a worker took %d MB for %d names, and may take %d MB", peak/1e6, names, mostMemory/1_000_000)
	}
}

// moveTree does with a tree what a run does, and says how many entries it compared.
func moveTree(t *testing.T, from, to string) {
	s := preflight.Store{Name: preflight.StoreDataRoot, From: from, To: to}
	j := &journal{now: time.Now, state: &State{}}
	pass := filepath.Join(filepath.Dir(to), "pass")
	for _, work := range []func(*trees) error{
		func(m *trees) error { return m.warm(t.Context(), pass, 0) },
		func(m *trees) error { m.loadPass(pass); return m.final(t.Context()) },
		func(m *trees) error { return m.verify(t.Context(), VerifyMeta, "") },
	} {
		m, err := openTrees(s, j, silent{})
		if err != nil {
			t.Fatal(err)
		}
		if err := work(m); err != nil {
			t.Fatal(err)
		}
		m.close()
	}
	if j.state.Report.Compared < 1e6 {
		t.Errorf("%d entries were compared", j.state.Report.Compared)
	}
	fmt.Printf("%d passes, %d compared\n", len(j.state.Report.Passes), j.state.Report.Compared)
}

// makeMillion makes a million names, of empty files in folders of twenty, and returns how many there are with the folders.
func makeMillion(t *testing.T, dir string) int {
	const layers, folders, files = 50, 1000, 20
	var wg sync.WaitGroup
	errs := make([]error, layers)
	for l := range layers {
		wg.Go(func() { errs[l] = makeLayer(filepath.Join(dir, "overlay2", strconv.Itoa(l)), folders, files) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := hostfs.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Syncfs(); err != nil {
		t.Fatal(err)
	}
	return layers * (1 + folders*(1+files))
}

func makeLayer(dir string, folders, files int) error {
	for d := range folders {
		folder := filepath.Join(dir, fmt.Sprintf("usr-share-folder-%d", d))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		for n := range files {
			path := filepath.Join(folder, fmt.Sprintf("a-file-of-a-layer-%d.txt", n))
			var err error
			if n%5 == 4 {
				err = os.Link(filepath.Join(folder, fmt.Sprintf("a-file-of-a-layer-%d.txt", n-1)), path)
			} else {
				err = unix.Mknod(path, unix.S_IFREG|0o644, 0)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
