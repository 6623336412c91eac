package diskscan

import (
	"davit/engine/hostfs"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// open opens the log for writing beneath its folder: only a regular file, through no link.
func (l *LogFile) open() (*os.File, error) {
	root, err := hostfs.OpenRoot(l.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	dir, err := root.OpenDir("")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, _, err := dir.OpenRegular(l.name())
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR|unix.O_NONBLOCK, 0)
}

// refuses says why an open log must not be truncated; "" when it may. A writer that appends goes on at the new end. One
// that does not goes on where it was, which leaves a hole of zeros in front, at which `docker logs` stops for good. The
// engine opens a log for appending, and without when it has rotated it (moby daemon/logger/loggerutils/logfile.go).
func (l *LogFile) refuses(file *os.File) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return err.Error()
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return "it is not a plain file with one name"
	}
	writers, why := appenders(&st)
	if why != "" {
		return why
	}
	// Between two files of a rotation nobody has the log open, or the name is another file's already.
	var named unix.Stat_t
	err := unix.Lstat(filepath.Join(l.folder, l.name()), &named)
	if err != nil || named.Ino != st.Ino || named.Dev != st.Dev || writers == 0 && l.Limited && l.State == "running" {
		return "it is just being rotated; it stays below its max-size by itself"
	}
	return ""
}

// appenders counts the descriptors by which others append to a file, and says why not when one writes otherwise.
func appenders(st *unix.Stat_t) (writers int, why string) {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	if err != nil {
		return 0, err.Error()
	}
	for _, link := range descriptors {
		var other unix.Stat_t
		if unix.Stat(link, &other) != nil || other.Ino != st.Ino || other.Dev != st.Dev || isOwn(link) {
			continue
		}
		flags, err := openFlags(link)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH): // closed meanwhile, or its process has ended
		case err != nil:
			return writers, "cannot see how the engine has it open: " + reason(err)
		case flags&unix.O_ACCMODE == unix.O_RDONLY:
		case flags&unix.O_APPEND == 0:
			return writers, "it has been rotated, and truncating it would break it; it stays below its max-size by itself"
		default:
			writers++
		}
	}
	return writers, ""
}

func isOwn(link string) bool {
	return strings.HasPrefix(link, fmt.Sprintf("/proc/%d/", os.Getpid()))
}

// openFlags reads how a process has a file open.
func openFlags(link string) (flags int, err error) {
	info, err := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(info)) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			_, err := fmt.Sscanf(strings.TrimSpace(value), "%o", &flags)
			return flags, err
		}
	}
	return 0, errors.New("no flags in fdinfo")
}
