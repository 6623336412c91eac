package engine

import (
	"context"
	"davit/engine/hostfs"
	"fmt"
	"path/filepath"
)

// Room is the space an engine has where it spools.
type Room struct {
	Path   string
	Free   uint64 // bytes
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
	if room.Free, _, err = hostfs.Space(room.Path); err != nil {
		room.Free, _, err = hostfs.Space(info.DataRoot)
	}
	if err != nil {
		return Room{}, fmt.Errorf("measure the engine's spool: %w", err)
	}
	return room, nil
}
