package agent

import (
	"errors"
	"fmt"
	"syscall"

	"davit/engine/hostfs"
)

// farError is what the other side says went wrong. It is told by the errno where there is one, so that it counts as
// the same error would here.
type farError struct {
	text string
	is   error // nil, an errno, or hostfs.ErrNotRegular
}

func (e *farError) Error() string { return e.text }

func (e *farError) Unwrap() error { return e.is }

// errnos are those that are acted upon, by their names: numbers differ between systems. Any other is as good as EIO.
func errnos() map[string]syscall.Errno {
	return map[string]syscall.Errno{
		"ENOENT": syscall.ENOENT, "ELOOP": syscall.ELOOP, "ENOTDIR": syscall.ENOTDIR, "EINVAL": syscall.EINVAL,
		"EXDEV": syscall.EXDEV, "ESTALE": syscall.ESTALE, "EACCES": syscall.EACCES, "EPERM": syscall.EPERM,
		"ENOSPC": syscall.ENOSPC, "EIO": syscall.EIO,
	}
}

func packError(err error) []byte {
	p := &packer{}
	p.text(err.Error())
	var errno syscall.Errno
	switch {
	case errors.Is(err, hostfs.ErrNotRegular):
		p.text("not regular")
	case errors.As(err, &errno):
		p.text(errnoName(errno))
	default:
		p.text("")
	}
	return p.b
}

func errnoName(errno syscall.Errno) string {
	for name, known := range errnos() {
		if known == errno {
			return name
		}
	}
	return "EIO"
}

func unpackError(body []byte) error {
	u := &unpacker{b: body}
	e := &farError{text: u.text()}
	name := u.text()
	if err := u.err(); err != nil {
		return fmt.Errorf("read an error: %w", err)
	}
	if len(e.text) > 1<<10 {
		e.text = e.text[:1<<10]
	}
	switch errno, known := errnos()[name]; {
	case name == "not regular":
		e.is = hostfs.ErrNotRegular
	case known:
		e.is = errno
	case name != "":
		e.is = syscall.EIO
	}
	return e
}
