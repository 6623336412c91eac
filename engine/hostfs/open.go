//go:build linux

package hostfs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrName is the error for a name or relative path that could leave its folder: empty, ".", "..", or with a slash or
// NUL where none may be.
var ErrName = errors.New("not a plain name")

const (
	openDirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	resolve      = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS
	// maxPath is what is given to the kernel at once; PATH_MAX with its NUL is 4096.
	maxPath = 4000
)

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return nil
}

// checkRel accepts "" and paths of plain names.
func checkRel(rel string) error {
	if rel == "" {
		return nil
	}
	for name := range strings.SplitSeq(rel, "/") {
		if err := checkName(name); err != nil {
			return fmt.Errorf("path %q: %w", rel, err)
		}
	}
	return nil
}

// openBeneath opens the folder rel below fd, following no symlink. A path longer than the kernel takes is opened in
// pieces. rel must have passed checkRel.
func openBeneath(fd int, rel string) (int, error) {
	at := fd
	for len(rel) > maxPath {
		cut := strings.LastIndexByte(rel[:maxPath], '/')
		if cut < 0 {
			return -1, closeAfter(at, fd, unix.ENAMETOOLONG)
		}
		next, err := openPiece(at, rel[:cut], unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		if err != nil {
			return -1, closeAfter(at, fd, err)
		}
		_ = closeAfter(at, fd, nil)
		at, rel = next, rel[cut+1:]
	}
	if rel == "" {
		rel = "."
	}
	got, err := openPieceNoatime(at, rel)
	_ = closeAfter(at, fd, nil)
	return got, err
}

// closeAfter closes at unless it is the caller's own descriptor, and hands err through.
func closeAfter(at, own int, err error) error {
	if at != own {
		unix.Close(at)
	}
	return err
}

// openPieceNoatime opens a folder for reading without touching its access time where the kernel lets us.
func openPieceNoatime(fd int, rel string) (int, error) {
	got, err := openPiece(fd, rel, openDirFlags|unix.O_NOATIME)
	if err == unix.EPERM {
		return openPiece(fd, rel, openDirFlags)
	}
	return got, err
}

func openPiece(fd int, rel string, flags int) (int, error) {
	if !strings.Contains(rel, "/") {
		return openat(fd, rel, flags)
	}
	got, err := openat2(fd, rel, &unix.OpenHow{Flags: uint64(flags), Resolve: resolve})
	if err == unix.ENOSYS { // before Linux 5.6
		return openSteps(fd, rel, flags)
	}
	return got, err
}

// openat2 tries again when a signal came, or something was renamed meanwhile.
func openat2(fd int, rel string, how *unix.OpenHow) (int, error) {
	for {
		got, err := unix.Openat2(fd, rel, how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return got, err
		}
	}
}

// openSteps does what openPiece does, one component after the other.
func openSteps(fd int, rel string, flags int) (int, error) {
	at := fd
	for {
		name, rest, more := strings.Cut(rel, "/")
		step := flags
		if more {
			step = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		next, err := openat(at, name, step)
		_ = closeAfter(at, fd, nil)
		if err != nil || !more {
			return next, err
		}
		at, rel = next, rest
	}
}

// openat opens what is there already.
func openat(fd int, name string, flags int) (int, error) {
	for {
		got, err := unix.Openat(fd, name, flags, 0)
		if err != unix.EINTR {
			return got, err
		}
	}
}
