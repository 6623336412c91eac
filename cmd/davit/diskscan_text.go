package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"davit/diskscan"

	"github.com/dustin/go-humanize"
	"github.com/rivo/uniseg"
)

// fileSystems says which limits there are, and which are hit.
func (t *textWriter) fileSystems(all []diskscan.FileSystem, width int) {
	for _, fs := range all {
		t.together(width, ", ", fmt.Sprintf("%s on %s (%s): %s free of %s", fs.Device, fs.MountPoint, fs.Type, size(fs.Free), size(fs.Size)), inodesLeft(fs))
		for _, l := range fs.Hit {
			t.linef("  FULL: %s", limitSaid(l, fs))
		}
		for _, l := range fs.Near {
			t.linef("  nearly full: %s", limitSaid(l, fs))
		}
		t.quotas(fs)
		t.together(width, "; ", "  holds "+strings.Join(fs.Holds, ", ")+ifThen(fs.MountPoint == "/", ", and the system"),
			ifThen(fs.Reserved > 0, size(fs.Reserved)+" more are reserved for root"))
	}
}

// quotas says which are hit, or that there are some.
func (t *textWriter) quotas(fs diskscan.FileSystem) {
	for _, q := range fs.Quotas {
		for _, l := range q.Hit {
			t.linef("  FULL: %s", quotaSaid(l, q))
		}
		for _, l := range q.Near {
			t.linef("  nearly full: %s", quotaSaid(l, q))
		}
	}
	switch {
	case fs.QuotasUnseen:
		t.linef("  quotas are on, and only root sees those of others: a user or project can be full before the disk is")
	case fs.Quota && len(fs.Quotas) == 0:
		t.linef("  quotas are on, and none is nearly reached")
	}
}

func quotaSaid(l diskscan.Limit, q diskscan.Quota) string {
	who := fmt.Sprintf("%s %d", q.Of, q.ID)
	if q.Name != "" {
		who = q.Of + " " + q.Name
	}
	if q.Path != "" {
		who += " (" + q.Path + ")"
	}
	if l == diskscan.Inodes {
		return fmt.Sprintf("the quota of %s: %s of %s", who, humanize.Comma(q.Inodes), count(q.InodeLimit, "inode"))
	}
	return fmt.Sprintf("the quota of %s: %s of %s", who, size(q.Used), size(q.Limit))
}

// together prints two texts in one line if they fit, else the second below the first.
func (t *textWriter) together(width int, between, first, second string) {
	switch line := first + between + second; {
	case second == "":
		t.linef("%s", first)
	case uniseg.StringWidth(visible(line)) <= width:
		t.linef("%s", line)
	default:
		t.linef("%s", first)
		t.linef("  %s", second)
	}
}

func inodesLeft(fs diskscan.FileSystem) string {
	if fs.Inodes == 0 {
		return ""
	}
	return fmt.Sprintf("%s inodes free of %s", humanize.Comma(fs.InodesFree), humanize.Comma(fs.Inodes))
}

func limitSaid(l diskscan.Limit, fs diskscan.FileSystem) string {
	switch l {
	case diskscan.Bytes:
		if fs.Reserved > 0 {
			return fmt.Sprintf("no bytes are left but %s that are reserved for root", size(fs.Reserved))
		}
		return fmt.Sprintf("%s of %s are left", size(fs.Free), size(fs.Size))
	case diskscan.Inodes:
		return fmt.Sprintf("%s inodes of %s are left: delete files, not bytes", humanize.Comma(fs.InodesFree), humanize.Comma(fs.Inodes))
	}
	return "the file system is read-only; the kernel's log says why"
}

// Of each part but the one that --by asks for, the overview shows so many lines that all fit a small screen.
const (
	fewOwners = 7
	fewFiles  = 2
	fewOpen   = 1
	fewFree   = 4
)

// report prints what was found, the largest first.
func (t *textWriter) report(r *diskscan.Report, flags scanFlags, width int, program func([]string) string) {
	by := flags.by
	inStores := len(r.Stores) > 0
	owners, files := flags.top, min(flags.top, fewFiles)
	switch {
	case by == "" && inStores:
		by, owners = byOwner, min(flags.top, fewOwners)
	case by == "":
		by = byDir
	}
	if flags.topSet {
		owners = flags.top
	}
	if by == byFile || flags.minSize > 0 || !flags.before.IsZero() {
		files = flags.top
	}
	t.linef("total %s on disk, %s in files, %s", size(r.Total.Bytes), size(r.Total.Apparent), count(r.Total.Inodes, "inode"))
	switch by {
	case byOwner:
		t.owners(r, owners, width)
	case byDir:
		t.folders(r, flags.top, width)
	case byType:
		t.types(r, flags.top)
	}
	t.files(r, files, width)
	if inStores || len(r.DeletedOpen) > 0 {
		t.deletedOpen(r, width)
		t.free(r, width, program)
	}
	for _, fs := range r.FileSystems {
		for _, q := range fs.Quotas {
			if q.Owner != "" {
				t.linef("%s %d of the quota above is %s", q.Of, q.ID, q.Owner)
			}
		}
	}
	for _, hidden := range r.Hidden {
		t.linef("hidden below the mount point %s: %s", hidden.MountPoint, size(hidden.Bytes))
	}
	t.scanProblems(r)
}

// deletedOpen names the largest file that is gone and still takes space.
func (t *textWriter) deletedOpen(r *diskscan.Report, width int) {
	sum := int64(0)
	for _, f := range r.DeletedOpen {
		sum += f.Bytes
	}
	if sum == 0 {
		return
	}
	t.linef("deleted but open: %s in %s", size(sum), count(int64(len(r.DeletedOpen)), "file"))
	for _, f := range r.DeletedOpen[:min(fewOpen, len(r.DeletedOpen))] {
		who := fmt.Sprintf("%s (pid %d)", f.Process, f.PID)
		if f.Container != "" {
			who += " in container " + f.Container
		}
		t.linef("%s", truncate(fmt.Sprintf("  %s %s of %s", size(f.Bytes), f.Path, who), width))
	}
}

// free says what can be freed now, and how.
func (t *textWriter) free(r *diskscan.Report, width int, program func([]string) string) {
	if len(r.Free) == 0 {
		return
	}
	table := newTable(">FREES", "WHAT", "HOW")
	list := r.Free[:min(fewFree, len(r.Free))]
	how, longest := make([]string, len(list)), 0
	for i, m := range list {
		if how[i] = m.Advice; len(m.Command) > 0 {
			how[i] = program(m.Command)
		}
		longest = max(longest, uniseg.StringWidth(visible(how[i])))
	}
	room := width - len("1023 MiB") - len("  ") - len("  ") // for both
	what := max(20, room-longest)                           // a command is of use as a whole only
	for i, m := range list {
		table.row(size(m.Bytes), truncate(m.What, what), truncate(how[i], max(20, room-what)))
	}
	t.table(table)
	for _, m := range r.Free[:min(fewFree, len(r.Free))] {
		if strings.HasPrefix(m.Undo, "no") {
			t.linef("these cannot be undone; --json says more on each")
			return
		}
	}
}

func (t *textWriter) owners(r *diskscan.Report, n, width int) {
	titles := []string{">SIZE", ">SHARE", ">INODES", "OWNER"}
	if r.Since != nil {
		titles = []string{">SIZE", ">SHARE", ">GROWTH", "OWNER"}
	}
	table := newTable(titles...)
	for _, o := range r.Owners[:min(n, len(r.Owners))] {
		third := humanize.Comma(o.Inodes)
		if r.Since != nil {
			third = grown(o)
		}
		table.row(size(o.Bytes), share(o.Bytes, r.Total.Bytes), third, truncate(ownerSaid(o), width-36))
	}
	t.table(table)
	if r.Since != nil {
		t.linef("growth is since %s", clock(*r.Since))
	}
	t.more(len(r.Owners)-n, "owner")
}

func (t *textWriter) more(n int, what string) {
	if n > 0 {
		t.linef("and %s (--top %s)", count(int64(n), "more "+what), "N")
	}
}

func grown(o diskscan.Owner) string {
	if o.Growth == nil || *o.Growth == 0 {
		return "-"
	}
	return ifThen(*o.Growth > 0, "+") + size(*o.Growth)
}

// ownerSaid is an owner in one line.
func ownerSaid(o diskscan.Owner) string {
	text := string(o.Kind) + " " + o.Name
	if o.State != "" {
		text += " (" + o.State + ")"
	}
	if len(o.UsedBy) > 0 && o.Kind != diskscan.SharedLayers && o.Kind != diskscan.SharedContent { // these are named by theirs
		text += " used by " + strings.Join(o.UsedBy, ", ")
	}
	return text
}

func share(part, whole int64) string {
	if whole <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

func (t *textWriter) folders(r *diskscan.Report, n, width int) {
	table := newTable(">SIZE", ">SHARE", ">INODES", "FOLDER")
	for _, f := range diskscan.Largest(r.Folders, n) {
		table.row(size(f.Bytes), share(f.Bytes, r.Total.Bytes), humanize.Comma(f.Inodes), pathCut(f.Path, width-36))
	}
	t.table(table)
}

func (t *textWriter) types(r *diskscan.Report, n int) {
	table := newTable(">SIZE", ">SHARE", ">FILES", "TYPE")
	for _, u := range r.Types[:min(n, len(r.Types))] {
		name := u.Type
		if name == "" {
			name = "(none)"
		}
		table.row(size(u.Bytes), share(u.Bytes, r.Total.Bytes), humanize.Comma(u.Inodes), name)
	}
	t.table(table)
	t.more(len(r.Types)-n, "type")
}

func (t *textWriter) files(r *diskscan.Report, n, width int) {
	if len(r.Files) == 0 {
		return
	}
	table := newTable(">SIZE", ">AGE", "FILE")
	for _, f := range r.Files[:min(n, len(r.Files))] {
		table.row(size(f.Bytes), age(r.Time.Sub(f.Modified)), pathCut(f.Path, width-22-len(marks(f)))+marks(f))
	}
	t.table(table)
}

// marks say what is special about a file.
func marks(f diskscan.File) string {
	var said []string
	if f.Sparse {
		said = append(said, "sparse, "+size(f.Apparent))
	}
	if f.Links > 1 {
		said = append(said, count(int64(f.Links), "link"))
	}
	if f.Shared {
		said = append(said, "shares blocks")
	}
	if said == nil {
		return ""
	}
	return " (" + strings.Join(said, "; ") + ")"
}

// pathCut makes a path fit, keeping its end, which tells more.
func pathCut(path string, columns int) string {
	if shown := visible(path); len([]rune(shown)) <= columns {
		return path
	}
	dir, name := filepath.Split(path)
	if room := columns - len([]rune(visible(name))) - len("…/"); room > 0 {
		shown := []rune(dir)
		return string(shown[:min(room, len(shown))]) + "…/" + name
	}
	return truncate(name, max(columns, 8))
}

// age is how long ago something was, in one unit.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

const problemsSaid = 5

func (t *textWriter) scanProblems(r *diskscan.Report) {
	for _, p := range r.Problems[:min(problemsSaid, len(r.Problems))] {
		t.linef("not read: %s", p)
	}
	if more := len(r.Problems) + r.MoreHidden - problemsSaid; more > 0 {
		t.linef("and %s more (--json names up to 100)", humanize.Comma(int64(more)))
	}
}
