package engine

import (
	"context"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Room is the space an engine has where it spools.
type Room struct {
	Path   string
	Free   uint64 // bytes
	Inodes uint64 // 0 when the file system does not count them
	Spools bool   // an exported image is first written there in full
}

// SpoolRoom tells how much room a local engine has where it spools images. With a graph
// driver a whole image is written there before the first byte of an export, and on a full
// disk that makes things worse. A remote engine is an error.
func (e *Engine) SpoolRoom(ctx context.Context) (Room, error) {
	if ok, reason := e.Local(ctx); !ok {
		return Room{}, fmt.Errorf("measure the engine's spool: the engine is not local: %s", reason)
	}
	info, err := e.Info(ctx)
	if err != nil {
		return Room{}, err
	}
	// The folder is made at need, on the data-root's file system unless it is a mount.
	room := Room{Path: filepath.Join(info.DataRoot, "tmp"), Spools: !info.ContainerdStore}
	var st unix.Statfs_t
	err = unix.Statfs(room.Path, &st)
	if err != nil {
		err = unix.Statfs(info.DataRoot, &st)
	}
	if err != nil {
		return Room{}, fmt.Errorf("measure the engine's spool: %w", err)
	}
	room.Free, room.Inodes = st.Bavail*uint64(st.Bsize), st.Ffree
	return room, nil
}
