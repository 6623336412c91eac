package dockercmd

import (
	"context"

	"davit/engine"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
)

// visibleAPI is the engine as commands see it that list and inspect on a terminal: a newline in a label cannot be told
// from the end of a row once the row is printed. Raw documents stay: they are printed as JSON, which has no newlines
// in its strings.
type visibleAPI struct {
	engine.CommandAPI
	visible func(string) string
}

// shown passes on an answer with its strings made visible.
func shown[T any](v *visibleAPI, answer T, err error) (T, error) {
	makeVisible(&answer, v.visible)
	return answer, err
}

func (v *visibleAPI) ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error) {
	answer, err := v.CommandAPI.ContainerList(ctx, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) ContainerInspectWithRaw(ctx context.Context, id string, size bool) (container.InspectResponse, []byte, error) {
	answer, raw, err := v.CommandAPI.ContainerInspectWithRaw(ctx, id, size)
	answer, err = shown(v, answer, err)
	return answer, raw, err
}

func (v *visibleAPI) ContainerTop(ctx context.Context, id string, args []string) (container.TopResponse, error) {
	answer, err := v.CommandAPI.ContainerTop(ctx, id, args)
	return shown(v, answer, err)
}

func (v *visibleAPI) ContainerDiff(ctx context.Context, id string) ([]container.FilesystemChange, error) {
	answer, err := v.CommandAPI.ContainerDiff(ctx, id)
	return shown(v, answer, err)
}

func (v *visibleAPI) ImageList(ctx context.Context, o image.ListOptions) ([]image.Summary, error) {
	answer, err := v.CommandAPI.ImageList(ctx, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) ImageInspect(ctx context.Context, ref string, o ...engine.InspectOption) (image.InspectResponse, error) {
	answer, err := v.CommandAPI.ImageInspect(ctx, ref, o...)
	return shown(v, answer, err)
}

func (v *visibleAPI) ImageHistory(ctx context.Context, ref string, o ...engine.HistoryOption) ([]image.HistoryResponseItem, error) {
	answer, err := v.CommandAPI.ImageHistory(ctx, ref, o...)
	return shown(v, answer, err)
}

func (v *visibleAPI) ImageSearch(ctx context.Context, term string, o registry.SearchOptions) ([]registry.SearchResult, error) {
	answer, err := v.CommandAPI.ImageSearch(ctx, term, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) VolumeList(ctx context.Context, o volume.ListOptions) (volume.ListResponse, error) {
	answer, err := v.CommandAPI.VolumeList(ctx, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) VolumeInspect(ctx context.Context, name string) (volume.Volume, error) {
	answer, err := v.CommandAPI.VolumeInspect(ctx, name)
	return shown(v, answer, err)
}

func (v *visibleAPI) VolumeInspectWithRaw(ctx context.Context, name string) (volume.Volume, []byte, error) {
	answer, raw, err := v.CommandAPI.VolumeInspectWithRaw(ctx, name)
	answer, err = shown(v, answer, err)
	return answer, raw, err
}

func (v *visibleAPI) NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error) {
	answer, err := v.CommandAPI.NetworkList(ctx, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) NetworkInspect(ctx context.Context, id string, o network.InspectOptions) (network.Inspect, error) {
	answer, err := v.CommandAPI.NetworkInspect(ctx, id, o)
	return shown(v, answer, err)
}

func (v *visibleAPI) NetworkInspectWithRaw(ctx context.Context, id string, o network.InspectOptions) (network.Inspect, []byte, error) {
	answer, raw, err := v.CommandAPI.NetworkInspectWithRaw(ctx, id, o)
	answer, err = shown(v, answer, err)
	return answer, raw, err
}

func (v *visibleAPI) Info(ctx context.Context) (system.Info, error) {
	answer, err := v.CommandAPI.Info(ctx)
	return shown(v, answer, err)
}

func (v *visibleAPI) ServerVersion(ctx context.Context) (types.Version, error) {
	answer, err := v.CommandAPI.ServerVersion(ctx)
	return shown(v, answer, err)
}

func (v *visibleAPI) DiskUsage(ctx context.Context, o types.DiskUsageOptions) (types.DiskUsage, error) {
	answer, err := v.CommandAPI.DiskUsage(ctx, o)
	return shown(v, answer, err)
}

// Events passes on each event as it comes. Like the channels of the library, those returned here end with ctx.
func (v *visibleAPI) Events(ctx context.Context, o events.ListOptions) (<-chan events.Message, <-chan error) {
	messages, errs := v.CommandAPI.Events(ctx, o)
	out := make(chan events.Message)
	outErrs := make(chan error, 1)
	go func() {
		defer close(outErrs)
		for {
			select {
			case m := <-messages:
				makeVisible(&m, v.visible)
				select {
				case out <- m:
				case <-ctx.Done():
					outErrs <- ctx.Err()
					return
				}
			case err := <-errs:
				outErrs <- err
				return
			}
		}
	}()
	return out, outErrs
}
