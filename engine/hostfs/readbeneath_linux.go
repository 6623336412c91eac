package hostfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ReadBeneath reads a regular file of at most limit bytes below a folder. It follows no symlink on the way down from it and
// never waits for a pipe or device.
func ReadBeneath(dir, rel string, limit int64) ([]byte, Stat, error) {
	root, err := OpenRoot(dir)
	if err != nil {
		return nil, Stat{}, err
	}
	defer root.Close()
	sub, base := filepath.Split(rel)
	folder, err := root.OpenDir(strings.TrimSuffix(sub, "/"))
	if err != nil {
		return nil, Stat{}, err
	}
	defer folder.Close()
	fd, st, err := folder.OpenRegular(base)
	if err != nil {
		return nil, st, err
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, st, err
	}
	if int64(len(data)) > limit {
		return nil, st, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, st, nil
}
