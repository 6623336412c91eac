package backup

import (
	"context"
	"fmt"
	"strings"

	"davit/backup/chunk"
)

// Files calls visit for every entry of an item, or of the file or folder inside it that spec names, in the
// order of the stream: a folder before its children. An error of visit ends it and is returned as it is.
func Files(ctx context.Context, env *Env, spec string, q Query, visit func(FileInfo) error) error {
	ref, err := treeRef(spec)
	if err != nil {
		return err
	}
	snap, it, err := findItem(ctx, env, ref, q)
	if err != nil {
		return err
	}
	found := ref.Path == ""
	err = chunk.Files(ctx, env.Repo, it.Desc, func(e *chunk.Entry) error {
		if ref.Path != "" && e.Path != ref.Path && !strings.HasPrefix(e.Path, ref.Path+"/") {
			return nil
		}
		found = true
		return visit(fileInfo(e))
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", ref, err)
	}
	if !found {
		return &NotFoundError{What: "path", Name: ref.Path, Where: FormatItem(ref.Kind, ref.Name) + " of snapshot " + snap.ID}
	}
	return nil
}

func fileInfo(e *chunk.Entry) FileInfo {
	info := FileInfo{
		Path: e.Path, Type: entryType(e.Kind), Mode: e.Mode, UID: e.UID, GID: e.GID,
		Size: e.Size, Mtime: e.Mtime.Time(), Target: e.Link,
	}
	if e.Kind == chunk.KindSocket {
		info.Note = "only noted: programs make their own sockets"
	}
	return info
}

func entryType(k chunk.Kind) string {
	switch k {
	case chunk.KindFile:
		return "file"
	case chunk.KindFolder:
		return "dir"
	case chunk.KindSymlink:
		return "symlink"
	case chunk.KindHardlink:
		return "hardlink"
	case chunk.KindFifo:
		return "fifo"
	case chunk.KindChar:
		return "char"
	case chunk.KindBlock:
		return "block"
	case chunk.KindSocket:
		return "socket"
	}
	return "unknown"
}
