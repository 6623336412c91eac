//go:build linux

package hostfs

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// markTries is how often the two clocks are read, for a moment in which nothing came in between.
const markTries = 10

func markClock() (clockMark, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return clockMark{}, fmt.Errorf("read the clock: %w", err)
	}
	m := clockMark{Boot: strings.TrimSpace(string(boot))}
	var least int64
	for n := range markTries {
		var real, before, after unix.Timespec
		for _, read := range []struct {
			id int32
			to *unix.Timespec
		}{{unix.CLOCK_BOOTTIME, &before}, {unix.CLOCK_REALTIME, &real}, {unix.CLOCK_BOOTTIME, &after}} {
			if err := unix.ClockGettime(read.id, read.to); err != nil {
				return clockMark{}, fmt.Errorf("read the clock: %w", err)
			}
		}
		if took := after.Nano() - before.Nano(); n == 0 || took < least {
			least, m.Ahead = took, time.Duration(real.Nano()-before.Nano())
		}
	}
	return m, nil
}

// began is when the pass began, by the clock as it goes now: what has changed after the clock was set back is dated earlier
// than it would have been. Between two boots that cannot be told.
func (p *CopyPass) began(now clockMark) Timespec {
	if p.clock.Boot != now.Boot || now.Ahead >= p.clock.Ahead {
		return p.Began
	}
	return TimespecOf(p.Began.Time().Add(now.Ahead - p.clock.Ahead))
}
