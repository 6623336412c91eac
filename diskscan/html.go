package diskscan

import (
	_ "embed" // for the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed page.html
var page string

const (
	// mapNodes bounds what a browser has to draw.
	mapNodes = 4000
	// pageFiles is how many files the table has at most.
	pageFiles = 200
)

// mapNode is a rectangle of the page's treemap.
type mapNode struct {
	Name     string     `json:"n"`
	Bytes    int64      `json:"b"`
	Inodes   int64      `json:"i"`
	Note     string     `json:"t,omitempty"`
	Children []*mapNode `json:"c,omitempty"`
}

// pageData is what the page shows.
type pageData struct {
	Report  *Report  `json:"report"`
	Owners  *mapNode `json:"owners"`
	Folders *mapNode `json:"folders"`
}

// WriteHTML writes one page that needs nothing else: it shows a treemap of owners and folders, and the tables.
// Whatever the report holds is data on the page, never markup or script. program writes a remedy's command as it is typed.
func WriteHTML(w io.Writer, r *Report, program func(words []string) string) error {
	short := *r
	short.Files = r.Files[:min(pageFiles, len(r.Files))]
	short.Folders = nil
	short.Free = slices.Clone(r.Free)
	for i, m := range short.Free {
		if len(m.Command) > 0 {
			short.Free[i].Advice, short.Free[i].Command = program(m.Command), nil
		}
	}
	data, err := json.Marshal(pageData{Report: &short, Owners: ownerMap(r), Folders: folderMap(r)}) // < > & come as \u003c…
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	t, err := template.New("page").Parse(page)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	return t.Execute(w, struct {
		Title string
		Data  template.JS
	}{"Disk usage of " + r.Host, template.JS(data)})
}

// ownerMap groups the owners by kind.
func ownerMap(r *Report) *mapNode {
	top := &mapNode{Name: "all owners", Bytes: r.Total.Bytes, Inodes: r.Total.Inodes}
	kinds := map[Kind]*mapNode{}
	for _, o := range r.Owners[:min(mapNodes, len(r.Owners))] {
		k := kinds[o.Kind]
		if k == nil {
			k = &mapNode{Name: string(o.Kind)}
			kinds[o.Kind] = k
			top.Children = append(top.Children, k)
		}
		k.Bytes += o.Bytes
		k.Inodes += o.Inodes
		k.Children = append(k.Children, &mapNode{Name: o.Name, Bytes: o.Bytes, Inodes: o.Inodes, Note: o.State})
	}
	slices.SortFunc(top.Children, func(a, b *mapNode) int { return int(min(1, max(-1, b.Bytes-a.Bytes))) })
	return top
}

// folderMap leaves out what would be too small to see.
func folderMap(r *Report) *mapNode {
	top := &mapNode{Name: "all folders", Bytes: r.Total.Bytes, Inodes: r.Total.Inodes}
	left := mapNodes
	least := max(r.Total.Bytes/2000, 1)
	var add func(to *mapNode, f *FolderUsage)
	add = func(to *mapNode, f *FolderUsage) {
		if left--; left < 0 || f.Bytes < least {
			return
		}
		n := &mapNode{Name: f.Path, Bytes: f.Bytes, Inodes: f.Inodes}
		to.Children = append(to.Children, n)
		for _, c := range f.Children {
			add(n, c)
		}
	}
	for _, f := range r.Folders {
		add(top, f)
	}
	return top
}
