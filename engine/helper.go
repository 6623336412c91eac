package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
)

// LabelHelper marks helper containers and their images. Its value is the run that made them, by which RemoveHelpers finds those
// of a killed davit; only the image of agents, which runs may share, has another.
const LabelHelper = "davit.helper"

// Helper holds a volume mounted until it is closed.
type Helper struct {
	Path string // the volume's content on this host

	engine         *Engine
	container, img string
}

// HelperMount has a local engine mount a volume with type and device options, which it
// otherwise mounts only while a container uses it. A container is started that has the
// volume, without a network, and does nothing; its image is made on the spot. The caller
// closes the helper; run is what RemoveHelpers finds it by.
func (e *Engine) HelperMount(ctx context.Context, volume, run string) (*Helper, error) {
	if ok, reason := e.Local(ctx); !ok {
		return nil, fmt.Errorf("mount volume %s: the engine is not local: %s", volume, reason)
	}
	v, err := e.InspectVolume(ctx, volume)
	if err != nil {
		return nil, err
	}
	info, err := e.Info(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := idleLayer(info.Arch)
	if err != nil {
		return nil, fmt.Errorf("mount volume %s: %w", volume, err)
	}
	h := &Helper{Path: v.Mountpoint, engine: e}
	if err := h.start(ctx, layer, v.Name, run); err != nil {
		return nil, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
	}
	if !mounted(h.Path) {
		err := fmt.Errorf("mount volume %s: the engine's mount at %s cannot be seen from here", volume, h.Path)
		return nil, errors.Join(err, h.Close(context.WithoutCancel(ctx)))
	}
	return h, nil
}

func (h *Helper) start(ctx context.Context, layer []byte, volume, run string) error {
	e := h.engine
	resp, err := e.api.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(layer), SourceName: "-"}, "",
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/idle"]`, "LABEL " + LabelHelper + "=" + run}})
	if err != nil {
		return e.wrap(err, "make an image for a helper")
	}
	h.img, err = readImport(resp)
	resp.Close()
	if err != nil {
		return e.wrap(err, "make an image for a helper")
	}
	created, err := e.api.ContainerCreate(ctx,
		&container.Config{Image: h.img, Labels: map[string]string{LabelHelper: run}, NetworkDisabled: true},
		&container.HostConfig{
			NetworkMode: "none",
			// NoCopy: an empty volume must stay empty.
			Mounts: []mount.Mount{{
				Type: mount.TypeVolume, Source: volume, Target: "/volume", ReadOnly: true,
				VolumeOptions: &mount.VolumeOptions{NoCopy: true},
			}},
		}, nil, nil, "")
	if err != nil {
		return e.wrap(err, "make a helper for volume %s", volume)
	}
	h.container = created.ID
	return e.wrap(e.api.ContainerStart(ctx, h.container, container.StartOptions{}), "mount volume %s", volume)
}

// Close ends the helper and removes what was made for it; the engine unmounts the volume
// if nobody else uses it. It may be called again.
func (h *Helper) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var errs []error
	if h.container != "" {
		err := h.engine.api.ContainerRemove(ctx, h.container, container.RemoveOptions{Force: true})
		if err != nil && !IsNotFound(err) {
			errs = append(errs, h.engine.wrap(err, "remove helper %s", h.container))
		}
		h.container = ""
	}
	if h.img != "" {
		_, err := h.engine.api.ImageRemove(ctx, h.img, image.RemoveOptions{Force: true})
		if err != nil && !IsNotFound(err) {
			errs = append(errs, h.engine.wrap(err, "remove the image of a helper"))
		}
		h.img = ""
	}
	return errors.Join(errs...)
}
