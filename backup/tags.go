package backup

import (
	"fmt"
	"slices"
	"strings"

	"davit/backup/repo"
)

// summaryTags is the list of a snapshot's tags, separated by spaces, in its summary: like host and job they can be read
// without a key, since a host that cannot decrypt has to keep what is tagged.
const summaryTags = "tags"

// Bounds of tags.
const (
	maxTags   = 16
	maxTagLen = 64
)

// Tags are the tags of a snapshot.
func Tags(s repo.Snapshot) []string { return strings.Fields(s.Summary[summaryTags]) }

// CheckTags returns a *UsageError for what can be no tag.
func CheckTags(tags []string) error {
	if len(tags) > maxTags {
		return &UsageError{Reason: fmt.Sprintf("%d tags are more than %d", len(tags), maxTags)}
	}
	for _, tag := range tags {
		other := strings.IndexFunc(tag, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
		})
		if tag == "" || len(tag) > maxTagLen || other >= 0 {
			return &UsageError{Reason: fmt.Sprintf("%q is no tag", tag), Hint: fmt.Sprintf("a tag is made of letters, digits and . _ -, at most %d", maxTagLen)}
		}
	}
	return nil
}

// HasTags tells whether a snapshot has all of the tags.
func HasTags(s repo.Snapshot, tags []string) bool {
	have := Tags(s)
	return !slices.ContainsFunc(tags, func(tag string) bool { return !slices.Contains(have, tag) })
}

// tagReasons says which of its tags keep a snapshot.
func (p KeepPolicy) tagReasons(s repo.Snapshot) (reasons []string) {
	for _, tag := range Tags(s) {
		if slices.Contains(p.Tags, tag) {
			reasons = append(reasons, "tag "+tag)
		}
	}
	return reasons
}
