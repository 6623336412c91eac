package prune

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Choice is an object that somebody has picked to go.
type Choice struct {
	Kind  Kind
	Names []string // of an image all tags, or its short id if it has none; of the build cache none: all of it
	Named bool     // a volume that somebody has named: it is archived first
}

// ChosenPolicy writes a policy that selects what was chosen, whatever its age, and nothing else. What is in use stays all
// the same. Names are quoted so that whatever they hold, each stays on its line.
func ChosenPolicy(chosen []Choice) []byte {
	rules := []struct {
		name, fields, action string
		pick                 func(c Choice) bool
	}{
		{"containers", "kind: container, name: ", "remove", func(c Choice) bool { return c.Kind == Container }},
		{"cache", "kind: cache", "remove", func(c Choice) bool { return c.Kind == Cache }},
		{"images", "kind: image, ref: ", "remove", func(c Choice) bool { return c.Kind == Image && tagged(c) }},
		{"untagged-images", "kind: image, name: ", "remove", func(c Choice) bool { return c.Kind == Image && !tagged(c) }},
		{"anonymous-volumes", "kind: volume, anonymous: true, name: ", "remove", func(c Choice) bool { return c.Kind == Volume && !c.Named }},
		{"volumes", "kind: volume, named: true, name: ", "archive+remove", func(c Choice) bool { return c.Kind == Volume && c.Named }},
	}
	var b strings.Builder
	b.WriteString("version: 1\nmin_age: 0s\nrules:\n")
	for _, r := range rules {
		var globs []string
		found := false
		for _, c := range chosen {
			if r.pick(c) {
				found = true
				for _, name := range c.Names {
					globs = append(globs, quoted(name))
				}
			}
		}
		if !found {
			continue
		}
		list := ""
		if strings.HasSuffix(r.fields, ": ") {
			slices.Sort(globs)
			list = "[" + strings.Join(slices.Compact(globs), ", ") + "]"
		}
		fmt.Fprintf(&b, "  - name: %s\n    select: {%s%s}\n    action: %s\n", r.name, r.fields, list, r.action)
	}
	return []byte(b.String())
}

// tagged tells names from a short id.
func tagged(c Choice) bool { return len(c.Names) > 0 && strings.ContainsAny(c.Names[0], ":/") }

// quoted is a pattern that matches only name, as a YAML string on one line.
func quoted(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune(`*?[\`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return strconv.QuoteToASCII(b.String())
}
