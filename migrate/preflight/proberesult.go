package preflight

import (
	"errors"
	"syscall"
)

// probePrefix is how the folder's name begins in which a destination is tried out.
const probePrefix = ".davit-probe-"

// probeResult is what a destination can do.
type probeResult struct {
	tried    bool
	failures []string // what the engine needs and cannot have
	unsure   string   // why not everything could be tried
	reflink  bool
	casefold bool
	rate     int64 // bytes per second that can be written, 0 when not tried
}

// reason is the errno's words alone: the probe's paths say nothing to anybody.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
