package backup

import (
	"path"
	"strings"
)

// excludePatterns leaves paths inside items out. A pattern without a slash is compared with the name
// of every entry; one with a slash with the path from the item's root, where ** stands for any number of
// folders. What is below an excluded folder is left out with it.
type excludePatterns struct {
	names []string
	paths [][]string
}

func newExcludePatterns(patterns []string) *excludePatterns {
	e := &excludePatterns{}
	for _, p := range patterns {
		trimmed := strings.TrimRight(p, "/")
		if !strings.Contains(trimmed, "/") {
			e.names = append(e.names, trimmed)
			continue
		}
		e.paths = append(e.paths, strings.Split(strings.TrimLeft(trimmed, "/"), "/"))
	}
	return e
}

// match reports whether the entry name in folder dir is left out.
func (e *excludePatterns) match(dir, name string) bool {
	for _, pattern := range e.names {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	if len(e.paths) == 0 {
		return false
	}
	var elements []string
	if dir != "" {
		elements = strings.Split(dir, "/")
	}
	elements = append(elements, name)
	for _, pattern := range e.paths {
		if matchElements(pattern, elements) {
			return true
		}
	}
	return false
}

func matchElements(pattern, elements []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(elements) + 1 {
				if matchElements(pattern[1:], elements[i:]) {
					return true
				}
			}
			return false
		}
		if len(elements) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], elements[0]); !ok || err != nil {
			return false
		}
		pattern, elements = pattern[1:], elements[1:]
	}
	return len(elements) == 0
}
