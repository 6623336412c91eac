//go:build linux

package preflight

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// tryOverlay mounts an overlay of two layers where nobody sees it, and looks whether a deleted file stays deleted and
// a replaced folder stays replaced, in what is found and in what is written.
func tryOverlay(dir string) error {
	if err := makeLayers(dir); err != nil {
		return err
	}
	fd, err := overlay(filepath.Join(dir, "lower"), filepath.Join(dir, "upper"), filepath.Join(dir, "work"))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	merged := fmt.Sprintf("/proc/self/fd/%d", fd)
	names, err := below(merged)
	if err != nil {
		return err
	}
	if want := "kept opaque opaque/new"; names != want {
		return fmt.Errorf("it shows %q where it should show %q", names, want)
	}
	if err := os.Remove(merged + "/kept"); err != nil {
		return fmt.Errorf("nothing can be deleted in it: %s", reason(err))
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(dir, "upper", "kept"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		return errors.New("what is deleted in it leaves no whiteout")
	}
	return nil
}

func makeLayers(dir string) error {
	for _, d := range []string{"lower", "lower/opaque", "upper", "upper/opaque", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, f := range []string{"lower/kept", "lower/gone", "lower/opaque/old", "upper/opaque/new"} {
		if _, err := newFile(dir, f); err != nil {
			return err
		}
	}
	if err := unix.Mknod(filepath.Join(dir, "upper", "gone"), unix.S_IFCHR, 0); err != nil {
		return err
	}
	return unix.Setxattr(filepath.Join(dir, "upper", "opaque"), "trusted.overlay.opaque", []byte("y"), 0)
}

// overlay makes an overlay mount that is in no namespace: it is gone when fd is closed.
func overlay(lower, upper, work string) (fd int, err error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errNoMount, err)
	}
	defer unix.Close(fs)
	for _, kv := range [][2]string{{"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}} {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return -1, fmt.Errorf("mount: %s", reason(err))
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("mount: %s", reason(err))
	}
	if fd, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("%w: %w", errNoMount, err)
	}
	return fd, nil
}

// below lists all paths below a folder, sorted, in one line.
func below(dir string) (string, error) {
	var names []string
	err := filepath.WalkDir(dir+"/", func(path string, _ os.DirEntry, err error) error {
		if rel := strings.TrimPrefix(path, dir+"/"); err == nil && rel != "" {
			names = append(names, rel)
		}
		return err
	})
	return strings.Join(names, " "), err
}
