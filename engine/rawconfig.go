package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoRawConfig says that this engine does not give the bytes of an image's config.
var ErrNoRawConfig = errors.New("no raw image config")

// RawImageConfig reads the config of an image, byte for byte, whose digest is the image's
// id ("sha256:…"). The API does not give it: it is read from the database of a local
// engine with a graph driver. Everything else is an error that is [ErrNoRawConfig].
func (e *Engine) RawImageConfig(ctx context.Context, id string) ([]byte, error) {
	digest, ok := strings.CutPrefix(id, "sha256:")
	if !ok || !isHexID(digest) {
		return nil, fmt.Errorf("read config of image %q: not an image id: %w", id, ErrNoRawConfig)
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.ContainerdStore {
		return nil, fmt.Errorf("read config of image %s: the engine has no graph driver: %w", id, ErrNoRawConfig)
	}
	if ok, reason := e.Local(ctx); !ok {
		return nil, fmt.Errorf("read config of image %s: the engine is not local (%s): %w", id, reason, ErrNoRawConfig)
	}
	file := filepath.Join(info.DataRoot, "image", info.Driver, "imagedb", "content", "sha256", digest)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read config of image %s: %w: %w", id, err, ErrNoRawConfig)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("read config of image %s: %s is damaged: %w", id, file, ErrNoRawConfig)
	}
	return data, nil
}
