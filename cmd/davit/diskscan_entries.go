package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/diskscan"

	"github.com/dustin/go-humanize"
)

// entry is one line of the browser.
type entry struct {
	title    string // as it is, not yet fit for a terminal
	path     string // of a file or folder
	owner    diskscan.Owner
	usage    diskscan.Usage
	modified time.Time // zero: not one file
	below    func() []entry
}

// maxListed bounds a list: nobody scrolls further.
const maxListed = 50_000

func (b *browser) owners() []entry {
	all := make([]entry, len(b.report.Owners))
	for i := range b.report.Owners {
		o := &b.report.Owners[i]
		all[i] = entry{title: ownerSaid(*o), owner: *o, usage: o.Usage, below: func() []entry { return b.places(o) }}
	}
	return all
}

// places are where an owner's files are: what is in its folder, if it has just one.
func (b *browser) places(o *diskscan.Owner) []entry {
	places := b.report.Tree.Places(o)
	if len(places) == 1 && places[0].IsFolder() {
		places = places[0].Children()
	}
	return b.nodes(places, diskscan.Node.Path)
}

func (b *browser) roots() []entry { return b.nodes(b.report.Tree.Roots(), diskscan.Node.Path) }

// nodes are files and folders; of very many the largest.
func (b *browser) nodes(nodes []diskscan.Node, name func(diskscan.Node) string) []entry {
	if len(nodes) > maxListed {
		slices.SortFunc(nodes, func(x, y diskscan.Node) int { return cmp.Compare(y.Usage().Bytes, x.Usage().Bytes) })
		b.message = fmt.Sprintf("the largest %s of %s", humanize.Comma(maxListed), humanize.Comma(int64(len(nodes))))
		nodes = nodes[:maxListed]
	}
	all := make([]entry, len(nodes))
	for i, n := range nodes {
		all[i] = entry{title: name(n), path: n.Path(), owner: n.Owner(), usage: n.Usage(), modified: n.Modified()}
		if n.IsFolder() {
			all[i].title = strings.TrimSuffix(all[i].title, "/") + "/"
			all[i].below = func() []entry { return b.nodes(n.Children(), diskscan.Node.Name) }
		}
	}
	return all
}

// sortOrder is what a list is sorted by.
type sortOrder int

const (
	bySize sortOrder = iota
	byInodes
	byName
	byAge
	sortOrders
)

func (o sortOrder) String() string { return [...]string{"size", "inodes", "name", "age"}[o] }

func (o sortOrder) compare(x, y entry) int {
	switch o {
	case byInodes:
		return cmp.Or(cmp.Compare(y.usage.Inodes, x.usage.Inodes), strings.Compare(x.title, y.title))
	case byName:
		return strings.Compare(x.title, y.title)
	case byAge:
		return cmp.Or(x.modified.Compare(y.modified), strings.Compare(x.title, y.title))
	}
	return cmp.Or(cmp.Compare(y.usage.Bytes, x.usage.Bytes), strings.Compare(x.title, y.title))
}

// arrange sorts and filters a list. What the filter looks at is the line as it is shown.
func (b *browser) arrange(l *level) {
	want := strings.ToLower(l.filter)
	l.shown = slices.DeleteFunc(l.of(), func(e entry) bool {
		return !strings.Contains(strings.ToLower(visible(e.title)), want)
	})
	slices.SortFunc(l.shown, b.sort.compare)
}
