package repo

import (
	"fmt"
	"net/url"
	"strings"
)

// escapeName writes every byte that OCI does not allow in a reference name as
// %XX. Item names are paths and tags of other people: any bytes.
func escapeName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; isNameByte(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._:@/+", c) >= 0
}

// unescapeName accepts only what escapeName writes, so that a name has one
// spelling.
func unescapeName(s string) (string, error) {
	name, err := url.PathUnescape(s)
	if err != nil || escapeName(name) != s {
		return "", fmt.Errorf("item name %q is not escaped as it should be", s)
	}
	return name, nil
}

// itemRef is an item's reference name: kind/name.
func itemRef(item Item) string { return item.Kind + "/" + escapeName(item.Name) }
