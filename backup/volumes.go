package backup

import (
	"slices"
	"strings"

	"davit/engine"
)

// bindOption reports whether a local volume is a bind mount of another folder.
func bindOption(v engine.Volume) bool {
	if v.Driver != "local" {
		return false
	}
	options := strings.Split(v.Options["o"], ",")
	return slices.Contains(options, "bind") || slices.Contains(options, "rbind") || v.Options["type"] == "bind"
}

// plainLocal reports whether a volume's files always lie in its own folder: the
// local driver, and nothing to mount.
func plainLocal(v engine.Volume) bool {
	return v.Driver == "local" && v.Options["type"] == "" && v.Options["device"] == ""
}
