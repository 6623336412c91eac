package preflight

import (
	"slices"
	"time"

	"davit/engine/hostfs"
)

// judgeDavit is about davit itself: its journal must not move with the data, and its program be there after a reboot.
func (f *facts) judgeDavit(l *findings, r Request) {
	for _, s := range f.stores {
		if within(r.StateDir, s.From, s.To) {
			l.refuse("journal", "choose another folder with --state-dir", "the journal would be in %s, in the midst of what moves", r.StateDir)
		}
		if within(r.Exe, s.From, s.To) {
			l.refuse("davit", "install it somewhere else, in /usr/local/bin for instance", "davit itself is %s, in the midst of what moves", r.Exe)
		}
	}
	if within(r.Exe, "/tmp", "/run", "/dev/shm") {
		l.warn("davit", "install it in /usr/local/bin first", "davit is %s: after a reboot in the middle it may be gone, and could not set things right", r.Exe)
	}
}

// judgeDowntime is about a limit that is shorter than what the move will take.
func (f *facts) judgeDowntime(l *findings, r Request) {
	if down := f.estimate(r).Downtime; r.MaxDowntime > 0 && down > r.MaxDowntime {
		l.warn("downtime", "allow more with --max-downtime", "containers will be down for about %s, and %s are allowed: the run will probably be undone",
			down.Round(time.Second), r.MaxDowntime)
	}
}

// within tells whether a path is in one of the folders.
func within(path string, dirs ...string) bool {
	return path != "" && slices.ContainsFunc(dirs, func(dir string) bool { return hostfs.Below(path, dir) })
}
