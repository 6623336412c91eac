package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"davit/backup/chunk"
	"davit/backup/repo"
)

// DiffOptions say what is compared.
type DiffOptions struct {
	From, To string // SNAPSHOT[:KIND/NAME[//PATH]]; To without an item means the one of From
	Path     string // only what is at or below this path; "" is everything
	Query    Query
}

// How something differs.
const (
	DiffAdded   = "added"
	DiffRemoved = "removed"
	DiffChanged = "changed"
)

// ItemDiff is an item that differs between two snapshots.
type ItemDiff struct {
	Kind   string       `json:"kind"`
	Name   string       `json:"name"`
	Status string       `json:"status"`
	Files  []FileChange `json:"files,omitempty"` // of an item that holds files and is in both
}

// Ref is KIND/NAME, percent-encoded.
func (d ItemDiff) Ref() string { return FormatItem(d.Kind, d.Name) }

// FileChange is an entry that differs.
type FileChange struct {
	Path   string    `json:"path"`
	Status string    `json:"status"`
	What   []string  `json:"what,omitempty"` // of a changed one: type, content, size, mode, owner, mtime, target, device, xattrs
	From   *FileInfo `json:"from,omitempty"`
	To     *FileInfo `json:"to,omitempty"`
}

// DiffReport is what differs between two snapshots.
type DiffReport struct {
	From  string     `json:"from"` // ids
	To    string     `json:"to"`
	Items []ItemDiff `json:"items"`
}

// Diff compares two snapshots, or an item in two of them, by what the catalogs say; see chunk.Diff. Extended
// attributes are compared by their number only.
func Diff(ctx context.Context, env *Env, o DiffOptions) (*DiffReport, error) {
	from, err := ParseItemRef(o.From)
	if err != nil {
		return nil, err
	}
	to, err := ParseItemRef(o.To)
	if err != nil {
		return nil, err
	}
	if to.Kind == "" {
		to.Kind, to.Name = from.Kind, from.Name
	}
	path, err := diffPath(from, to, o.Path)
	if err != nil {
		return nil, err
	}
	a, err := find(ctx, env, from, o.Query)
	if err != nil {
		return nil, err
	}
	b, err := find(ctx, env, to, o.Query)
	if err != nil {
		return nil, err
	}
	report := &DiffReport{From: a.ID, To: b.ID, Items: []ItemDiff{}}
	for _, pair := range pairItems(a, b, from, to) {
		d, differs, err := pair.diff(ctx, env.Repo, path)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", d.Ref(), err)
		}
		if differs {
			report.Items = append(report.Items, d)
		}
	}
	return report, nil
}

func diffPath(from, to ItemRef, path string) (string, error) {
	path = strings.Trim(path, "/")
	for _, p := range []string{from.Path, to.Path} {
		switch {
		case p == "" || p == path:
		case path == "":
			path = p
		default:
			return "", &UsageError{Reason: fmt.Sprintf("two paths are named: %s and %s", path, p)}
		}
	}
	return path, nil
}

// itemPair is an item in two snapshots; one of them may lack it.
type itemPair struct {
	kind, name   string
	from, to     repo.Item
	before, then bool
}

// pairItems puts the items of two snapshots together: all of them, or the two that are named.
func pairItems(a, b repo.Snapshot, from, to ItemRef) []itemPair {
	if from.Kind != "" || to.Kind != "" {
		p := itemPair{kind: to.Kind, name: to.Name}
		p.from, p.before = a.Find(from.Kind, from.Name)
		p.to, p.then = b.Find(to.Kind, to.Name)
		return []itemPair{p}
	}
	var pairs []itemPair
	for _, it := range a.Items {
		p := itemPair{kind: it.Kind, name: it.Name, from: it, before: true}
		p.to, p.then = b.Find(it.Kind, it.Name)
		pairs = append(pairs, p)
	}
	for _, it := range b.Items {
		if _, known := a.Find(it.Kind, it.Name); !known {
			pairs = append(pairs, itemPair{kind: it.Kind, name: it.Name, to: it, then: true})
		}
	}
	slices.SortStableFunc(pairs, func(x, y itemPair) int {
		return strings.Compare(FormatItem(x.kind, x.name), FormatItem(y.kind, y.name))
	})
	return pairs
}

func (p itemPair) diff(ctx context.Context, r *repo.Repository, path string) (d ItemDiff, differs bool, err error) {
	d = ItemDiff{Kind: p.kind, Name: p.name, Status: DiffChanged}
	switch {
	case !p.before && !p.then:
		return d, false, &NotFoundError{What: "item", Name: d.Ref(), Where: "either snapshot"}
	case !p.before:
		d.Status = DiffAdded
		return d, true, nil
	case !p.then:
		d.Status = DiffRemoved
		return d, true, nil
	case p.from.Desc.Digest == p.to.Desc.Digest:
		return d, false, nil
	case !isTree(p.kind) || !isTree(p.from.Kind):
		return d, path == "", nil
	}
	changes, err := chunk.Diff(ctx, r, p.from.Desc, p.to.Desc)
	for i := range changes {
		if at := changes[i].Path(); path == "" || at == path || strings.HasPrefix(at, path+"/") {
			d.Files = append(d.Files, fileChange(&changes[i]))
		}
	}
	return d, len(d.Files) > 0, err
}

func fileChange(c *chunk.Change) FileChange {
	f := FileChange{Path: c.Path(), Status: DiffChanged}
	if c.From != nil {
		info := fileInfo(c.From)
		f.From = &info
	}
	if c.To != nil {
		info := fileInfo(c.To)
		f.To = &info
	}
	switch {
	case c.From == nil:
		f.Status = DiffAdded
	case c.To == nil:
		f.Status = DiffRemoved
	default:
		f.What = whatChanged(c)
	}
	return f
}

func whatChanged(c *chunk.Change) []string {
	var what []string
	a, b := c.From, c.To
	for _, part := range []struct {
		name    string
		differs bool
	}{
		{"type", a.Kind != b.Kind}, {"content", c.Content}, {"size", a.Size != b.Size}, {"mode", a.Mode != b.Mode},
		{"owner", a.UID != b.UID || a.GID != b.GID}, {"mtime", a.Mtime != b.Mtime}, {"target", a.Link != b.Link},
		{"device", a.Rdev != b.Rdev}, {"xattrs", a.Xattrs != b.Xattrs},
	} {
		if part.differs {
			what = append(what, part.name)
		}
	}
	return what
}
