package main

import (
	"cmp"
	"path/filepath"
)

// paths are the folders that davit keeps its own things in.
type paths struct {
	state string // journals: what a killed run left to undo
	cache string // fingerprints of unchanged files; lost means slower, never wrong
}

// defaultPaths returns the system's folders for root and those of the XDG specification for everybody else.
func defaultPaths(getenv func(string) string, euid int) paths {
	if euid == 0 {
		return paths{state: "/var/lib/davit", cache: "/var/cache/davit"}
	}
	xdg := func(variable, fallback string) string {
		// The specification: a relative path in these variables is to be ignored.
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, "davit")
		}
		return filepath.Join(cmp.Or(getenv("HOME"), getenv("USERPROFILE")), fallback, "davit")
	}
	return paths{
		state: xdg("XDG_STATE_HOME", ".local/state"),
		cache: xdg("XDG_CACHE_HOME", ".cache"),
	}
}
