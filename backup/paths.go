package backup

import (
	"path/filepath"
	"strings"
)

// within reports whether path is dir or below it. Both are clean and absolute.
func within(dir, path string) bool {
	return dir == path || below(dir, path)
}

// below reports whether path is strictly below dir.
func below(dir, path string) bool {
	if dir == "/" {
		return path != "/"
	}
	return strings.HasPrefix(path, dir+"/")
}

// overlap reports whether one of two folders holds the other.
func overlap(a, b string) bool { return within(a, b) || within(b, a) }

// realPath is path without symlinks and dots; what does not exist keeps its missing
// rest as written, so that two spellings of one absent folder still compare equal.
func realPath(path string) string {
	path = filepath.Clean(path)
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}
