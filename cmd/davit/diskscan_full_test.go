package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"davit/engine/enginetest"

	"golang.org/x/sys/unix"
)

// On a disk with no byte or no inode left, or that the kernel has made read-only, the program tells so first, then the
// owners and what to do, and the disk stays as it is, though its folders for state and temporary files are there, too.
func TestDiskscanOnFullDisk(t *testing.T) {
	for name, test := range map[string]struct {
		fill func(t *testing.T, disk string)
		said string
	}{
		"bytes":     {fillWithBytes, "  FULL: "},
		"inodes":    {fillWithFiles, "  FULL: 0 inodes of "},
		"read-only": {makeReadOnly, "  FULL: the file system is read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := enginetest.Disk(t, 24<<20)
			makeStoreIn(t, filepath.Join(disk, "docker"))
			test.fill(t, disk)
			before := listing(t, disk)
			for _, args := range [][]string{{}, {"--json"}, {"--by", "file"}, {"logs"}} {
				out, said, code := diskscanOn(t, disk, args...)
				if code != 0 || said != "" {
					t.Errorf("%v: exit code %d: %s", args, code, said)
				}
				if len(args) == 0 {
					lines := strings.SplitN(out, "\n", 2)
					if !strings.Contains(lines[0], " on "+disk) || !strings.Contains(out, test.said) {
						t.Errorf("the limit is not told:\n%s", out)
					}
					for _, want := range []string{"volume data (used)", "volume rm free", "cannot be undone"} {
						if !strings.Contains(out, want) {
							t.Errorf("%q is not told:\n%s", want, out)
						}
					}
					fitsSmallScreen(t, out)
				}
			}
			if _, said, code := diskscanOn(t, disk, "--save"); code != 1 || !strings.Contains(said, "davit: save scan: ") {
				t.Errorf("--save: exit code %d: %s", code, said)
			}
			if after := listing(t, disk); after != before {
				t.Errorf("the disk has changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// diskscanOn runs the program for the data-root on a disk, with all its own folders there as well.
func diskscanOn(t *testing.T, disk string, args ...string) (out, said string, code int) {
	t.Helper()
	line := append([]string{"diskscan", "--offline"}, args...)
	cmd := exec.Command("davit", append(line, filepath.Join(disk, "docker"))...)
	cmd.Env = append(os.Environ(), "HOME="+disk, "TMPDIR="+disk, "DAVIT_STATE_DIR="+disk+"/state", "DAVIT_CACHE_DIR="+disk+"/cache")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func fillWithBytes(t *testing.T, disk string) {
	f, err := os.Create(filepath.Join(disk, "fill"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func fillWithFiles(t *testing.T, disk string) {
	for i, err := 0, error(nil); err == nil; i++ {
		err = unix.Mknod(filepath.Join(disk, "docker", "network", fmt.Sprint(i)), unix.S_IFREG|0o600, 0)
		if err != nil && err != unix.ENOSPC {
			t.Fatal(err)
		}
	}
}

func makeReadOnly(t *testing.T, disk string) {
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// listing is everything on a disk with its sizes and times.
func listing(t *testing.T, disk string) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(disk, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fitsSmallScreen looks whether there are at most 24 lines; how wide they may be is the terminal's matter.
func fitsSmallScreen(t *testing.T, out string) {
	t.Helper()
	if n := strings.Count(out, "\n"); n > 24 {
		t.Errorf("%d lines:\n%s", n, out)
	}
}
