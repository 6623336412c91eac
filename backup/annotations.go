package backup

import (
	"net/url"
	"strconv"

	"davit/backup/repo"
)

// Annotations of items, beside those of packages repo and archive. Texts are
// percent-encoded where they may hold any bytes.
const (
	annSource      = "davit.source"      // folder the files were read from
	annFile        = "davit.file"        // the only file in it, of an item that is one file
	annFiles       = "davit.files"       // regular files
	annEntries     = "davit.entries"     // with folders, links and the rest
	annBytes       = "davit.bytes"       // size of all files
	annStream      = "davit.stream"      // length of the tar stream: what a restore writes, about
	annConsistency = "davit.consistency" // pause, stop or live
	annConsistent  = "davit.consistent"  // false: writers ran while it was read
	annProblems    = "davit.problems"    // files that are missing or marked
	annLayerBytes  = "davit.layer.bytes" // of a container: in its writable layer
	annRunning     = "davit.running"     // of a container: it ran
	annMode        = "davit.mode"        // of a compose file: its permissions
	annUID         = "davit.uid"         // and its owner
	annGID         = "davit.gid"
)

// annotator collects annotations.
type annotator map[string]string

func (a annotator) text(key, value string) {
	if value != "" {
		a[key] = url.PathEscape(value)
	}
}

func (a annotator) number(key string, n int64) { a[key] = strconv.FormatInt(n, 10) }

func (a annotator) flag(key string, set bool) { a[key] = strconv.FormatBool(set) }

// annotatedText reads what annotator.text wrote; what does not decode is "".
func annotatedText(it repo.Item, key string) string {
	s, err := url.PathUnescape(it.Annotations[key])
	if err != nil {
		return ""
	}
	return s
}

// annotatedNumber reads a number; one that is missing or no number is missing.
func annotatedNumber(it repo.Item, key string, missing int64) int64 {
	n, err := strconv.ParseInt(it.Annotations[key], 10, 64)
	if err != nil || n < 0 {
		return missing
	}
	return n
}

func annotatedFlag(it repo.Item, key string, missing bool) bool {
	set, err := strconv.ParseBool(it.Annotations[key])
	if err != nil {
		return missing
	}
	return set
}
