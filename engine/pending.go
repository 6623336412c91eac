package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
)

var errPending = errors.New("not there yet")

// Target says which engine is meant, as docker's flags do. Empty fields fall back as
// docker's do: DOCKER_HOST, DOCKER_CONTEXT, the config's current context, the default.
type Target struct {
	Host      string // --host
	Context   string // --context
	ConfigDir string // --config; "": DOCKER_CONFIG or ~/.docker
}

// Connect finds the engine, pings it and agrees on an API version (1.41 up).
// An engine that does not answer is an [*UnreachableError].
func Connect(ctx context.Context, t Target) (*Engine, error) { return nil, errPending }

// UnreachableError says that no engine answers, and why.
type UnreachableError struct {
	Endpoint string
	Reason   string // short, lower case: "no socket"
	Hint     string // a way out, or ""
	Err      error
}

func (e *UnreachableError) Error() string {
	return "cannot reach the engine at " + e.Endpoint + ": " + e.Reason
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// IsNotFound tells that the engine has no such object.
func IsNotFound(err error) bool { return false }

// IsConflict tells that the engine refuses because of the state or use of an object.
func IsConflict(err error) bool { return false }

func (e *Engine) Close() error                           { return nil }
func (e *Engine) Endpoint() string                       { return e.endpoint }
func (e *Engine) Info(ctx context.Context) (Info, error) { return Info{}, errPending }

// Local tells whether the engine's file system is the one this process sees, and if not, why.
func (e *Engine) Local(ctx context.Context) (bool, string) { return false, "not there yet" }

func (e *Engine) Containers(ctx context.Context) ([]Container, error)      { return nil, errPending }
func (e *Engine) ContainersSized(ctx context.Context) ([]Container, error) { return nil, errPending }
func (e *Engine) InspectContainer(ctx context.Context, ref string) (Container, error) {
	return Container{}, errPending
}
func (e *Engine) Volumes(ctx context.Context) ([]Volume, error) { return nil, errPending }
func (e *Engine) InspectVolume(ctx context.Context, name string) (Volume, error) {
	return Volume{}, errPending
}
func (e *Engine) Images(ctx context.Context) ([]Image, error) { return nil, errPending }
func (e *Engine) InspectImage(ctx context.Context, ref string) (Image, error) {
	return Image{}, errPending
}
func (e *Engine) Networks(ctx context.Context) ([]Network, error) { return nil, errPending }
func (e *Engine) InspectNetwork(ctx context.Context, ref string) (Network, error) {
	return Network{}, errPending
}

// OwnLabels are the labels set on the container itself, without those it merely inherits from its image.
func (e *Engine) OwnLabels(ctx context.Context, c Container) (map[string]string, error) {
	return nil, errPending
}

func (e *Engine) Pause(ctx context.Context, id string) error   { return errPending }
func (e *Engine) Unpause(ctx context.Context, id string) error { return errPending }
func (e *Engine) Stop(ctx context.Context, id string) error    { return errPending }
func (e *Engine) Start(ctx context.Context, id string) error   { return errPending }

// RemoveContainer removes a container that is not running; its volumes stay.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error { return errPending }

// VolumeSpec is what a new volume is made from.
type VolumeSpec struct {
	Name, Driver    string
	Options, Labels map[string]string
}

func (e *Engine) CreateVolume(ctx context.Context, s VolumeSpec) (Volume, error) {
	return Volume{}, errPending
}
func (e *Engine) RemoveVolume(ctx context.Context, name string) error { return errPending }

// CreateNetwork makes a network with the definition of an inspect document; returns its id.
func (e *Engine) CreateNetwork(ctx context.Context, raw json.RawMessage) (string, error) {
	return "", errPending
}

// CreateContainerFromInspect makes, and does not start, a container with the definition of an inspect
// document; returns its id and the engine's warnings.
func (e *Engine) CreateContainerFromInspect(ctx context.Context, raw json.RawMessage) (id string, warnings []string, err error) {
	return "", nil, errPending
}

// SaveImages streams an archive of the images; the caller closes it.
func (e *Engine) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	return nil, errPending
}

// LoadResult is what an engine says it loaded.
type LoadResult struct {
	Refs []string // name:tag, of tagged images
	IDs  []string // ids, of images without a name
}

// LoadImage gives an archive to the engine and reads its answer to the end.
func (e *Engine) LoadImage(ctx context.Context, r io.Reader) (LoadResult, error) {
	return LoadResult{}, errPending
}

func (e *Engine) Tag(ctx context.Context, image, ref string) error { return errPending }

// Untag removes a name; never the image's last one together with its layers without `force`.
func (e *Engine) Untag(ctx context.Context, ref string) error { return errPending }

// ErrNoRawConfig: the config's bytes cannot be had from this engine.
var ErrNoRawConfig = errors.New("no raw image config")

// RawImageConfig reads the config of an image, byte for byte, from a local graph-driver engine's database.
func (e *Engine) RawImageConfig(ctx context.Context, id string) ([]byte, error) {
	return nil, ErrNoRawConfig
}

// Helper holds a volume mounted until it is closed.
type Helper struct {
	Path string // on this host: the volume's content
}

// Close ends the helper container and what was made for it.
func (h *Helper) Close(ctx context.Context) error { return nil }

// HelperMount mounts a device-backed volume by a helper container; local engines only.
func (e *Engine) HelperMount(ctx context.Context, volume string) (*Helper, error) {
	return nil, errPending
}

// Room is the space an engine has for something.
type Room struct {
	Path   string
	Free   uint64 // bytes
	Inodes uint64
	Spools bool // an image export is first written there in full
}

// SpoolRoom says how much room a local engine has where it spools image exports.
func (e *Engine) SpoolRoom(ctx context.Context) (Room, error) { return Room{}, errPending }
