//go:build linux

package preflight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// probe tries out what the engine needs: attributes, names of all kinds, and an overlay with a whiteout and an opaque
// folder. It leaves nothing behind.
func probe(ctx context.Context, in string) probeResult {
	var r probeResult
	dir, err := os.MkdirTemp(in, probePrefix)
	if err != nil {
		r.failures = []string{"nothing can be written: " + reason(err)}
		return r
	}
	defer os.RemoveAll(dir)
	r.tried = true
	for _, try := range []struct {
		what string
		f    func(dir string) error
	}{
		{"extended attributes of trusted.*", tryXattr("trusted.davit")},
		{"extended attributes of user.*", tryXattr("user.davit")},
		{"capabilities of files", tryCapability},
		{"devices and fifos", tryNodes},
		{"hard links", tryLinks},
		{"types of files in folders (d_type)", tryTypes},
		{"names that differ in case only", tryCase},
	} {
		if err := try.f(dir); err != nil {
			r.failures = append(r.failures, try.what+": "+reason(err))
		}
	}
	if len(r.failures) > 0 {
		return r
	}
	switch err := tryOverlay(dir); {
	case errors.Is(err, errNoMount):
		r.unsure = "an overlay could not be tried: " + reason(err)
	case err != nil:
		r.failures = append(r.failures, "an overlay: "+err.Error())
	}
	r.casefold = casefold(in)
	r.reflink = tryReflink(dir) == nil
	r.rate = tryRate(ctx, dir)
	return r
}

func newFile(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, nil, 0o644)
}

func tryXattr(name string) func(string) error {
	return func(dir string) error {
		path, err := newFile(dir, name)
		if err != nil {
			return err
		}
		if err := unix.Setxattr(path, name, []byte("y"), 0); err != nil {
			return err
		}
		var buf [8]byte
		n, err := unix.Getxattr(path, name, buf[:])
		if err == nil && string(buf[:n]) != "y" {
			err = errors.New("they do not come back")
		}
		return err
	}
}

// tryCapability sets cap_net_raw, as ping has it.
func tryCapability(dir string) error {
	path, err := newFile(dir, "cap")
	if err != nil {
		return err
	}
	return unix.Setxattr(path, "security.capability", []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0)
}

func tryNodes(dir string) error {
	if err := unix.Mknod(filepath.Join(dir, "whiteout"), unix.S_IFCHR, 0); err != nil {
		return err
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		return err
	}
	return os.Symlink("a target", filepath.Join(dir, "symlink"))
}

func tryLinks(dir string) error {
	path, err := newFile(dir, "link")
	if err != nil {
		return err
	}
	return os.Link(path, path+"2")
}

// tryTypes looks whether folders tell the types of what is in them, as overlay2 wants it.
func tryTypes(dir string) error {
	if _, err := newFile(dir, "typed"); err != nil {
		return err
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 64<<10)
	n, err := unix.Getdents(fd, buf)
	if err != nil {
		return err
	}
	// struct linux_dirent64: inode 8, offset 8, length 2, type 1, name
	for at := 0; at+19 <= n; at += int(buf[at+16]) | int(buf[at+17])<<8 {
		name, _, _ := bytes.Cut(buf[at+19:n], []byte{0})
		if string(name) == "typed" && buf[at+18] != unix.DT_REG {
			return errors.New("not told")
		}
	}
	return nil
}

func tryCase(dir string) error {
	for _, name := range []string{"Case", "case"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// casefold tells whether new folders below take upper and lower case for the same.
func casefold(dir string) bool {
	const flag = 0x40000000 // FS_CASEFOLD_FL
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	return err == nil && flags&flag != 0
}

func tryReflink(dir string) error {
	from, err := os.Create(filepath.Join(dir, "reflink"))
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := from.Write(make([]byte, 4096)); err != nil {
		return err
	}
	to, err := os.Create(filepath.Join(dir, "reflink2"))
	if err != nil {
		return err
	}
	defer to.Close()
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// rateSize is how much is written to measure how fast that goes: enough to leave caches behind that a second of
// writing does not fill.
const rateSize, rateTime = 64 << 20, 2 * time.Second

// tryRate writes for at most about two seconds.
func tryRate(ctx context.Context, dir string) int64 {
	f, err := os.Create(filepath.Join(dir, "rate"))
	if err != nil {
		return 0
	}
	defer f.Close()
	block := bytes.Repeat([]byte("davit\n"), 1<<20/6)
	began, written := time.Now(), int64(0)
	for written < rateSize && time.Since(began) < rateTime && ctx.Err() == nil {
		n, err := f.Write(block)
		if err != nil {
			return 0
		}
		written += int64(n)
	}
	if unix.Fdatasync(int(f.Fd())) != nil {
		return 0
	}
	return int64(float64(written) / time.Since(began).Seconds())
}

var errNoMount = fmt.Errorf("this kernel mounts no overlay for davit")
