package diskscan

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// ExportNCDU writes the tree below path in the JSON form that ncdu and gdu read (`ncdu -f FILE`). The tree is written
// while it is walked and is never in memory. Names are bytes, as ncdu has them.
func ExportNCDU(ctx context.Context, w io.Writer, path string, now time.Time) error {
	root, err := hostfs.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	e := &ncduWriter{w: bufio.NewWriterSize(w, 256<<10), root: path}
	e.text(fmt.Sprintf(`[1,2,{"progname":"davit","progver":"1","timestamp":%d}`, now.Unix()))
	if err := root.Walk(ctx, hostfs.WalkOptions{}, e.visit); err != nil {
		return err
	}
	e.leave(-1)
	e.text("]\n")
	if e.err == nil {
		e.err = e.w.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("write export: %w", e.err)
	}
	return nil
}

// ncduWriter writes folders as lists that begin with the folder itself.
type ncduWriter struct {
	w     *bufio.Writer
	root  string
	mount uint64
	dev   uint64
	open  []string // folders whose lists are open, relative to the root
	err   error
}

func (e *ncduWriter) text(s string) {
	if e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

// leave closes the lists of all folders from depth on, except those that path is in; -1 closes all.
func (e *ncduWriter) leave(keep int) {
	for len(e.open) > max(keep, 0) {
		e.text("]")
		e.open = e.open[:len(e.open)-1]
	}
}

func (e *ncduWriter) visit(entry *hostfs.Entry) error {
	depth := 0
	if entry.Name != "" {
		depth = 1
		if entry.Dir != "" {
			depth += strings.Count(entry.Dir, "/") + 1
		}
	}
	e.leave(depth)
	other := entry.Name != "" && entry.MountID != e.mount
	if entry.Name == "" {
		e.mount, e.dev = entry.MountID, entry.Dev
	}
	e.text(",\n")
	if entry.IsDir() && !other {
		e.text("[")
		e.open = append(e.open, entry.Path())
	}
	e.info(entry, other)
	return e.err
}

func (e *ncduWriter) info(entry *hostfs.Entry, other bool) {
	name := entry.Name
	if name == "" {
		name = filepath.Clean(e.root)
	}
	e.text(`{"name":`)
	e.name(name)
	if other {
		e.text(`,"excluded":"othfs"}`)
		return
	}
	e.text(fmt.Sprintf(`,"asize":%d,"dsize":%d,"ino":%d`, entry.Size, entry.Blocks*512, entry.Ino))
	if entry.Name == "" {
		e.text(fmt.Sprintf(`,"dev":%d`, e.dev))
	}
	if !entry.IsDir() && entry.Nlink > 1 {
		e.text(fmt.Sprintf(`,"hlnkc":true,"nlink":%d`, entry.Nlink))
	}
	if !entry.IsDir() && !entry.IsRegular() {
		e.text(`,"notreg":true`)
	}
	e.text("}")
}

// name writes a string whose bytes from 0x80 on stay as they are.
func (e *ncduWriter) name(s string) {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	e.text(b.String())
}
