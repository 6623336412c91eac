package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
)

// VolumeCopier copies a volume's content as docker cp does: by a container that is made and never started. It is for
// engines that start no helper.
type VolumeCopier struct {
	engine         *Engine
	container, img string
}

const copiedVolume = "/volume"

// CopyVolume makes a copier for a volume. The caller closes it; run is what RemoveHelpers finds it by.
func (e *Engine) CopyVolume(ctx context.Context, volume string, write bool, run string) (*VolumeCopier, error) {
	c := &VolumeCopier{engine: e}
	if err := c.make(ctx, volume, write, run); err != nil {
		return nil, errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
	return c, nil
}

func (c *VolumeCopier) make(ctx context.Context, volume string, write bool, run string) error {
	e := c.engine
	layer, err := idleLayer("amd64") // it is never started, so that any does
	if err != nil {
		return err
	}
	resp, err := e.api.ImageImport(ctx, image.ImportSource{Source: bytes.NewReader(layer), SourceName: "-"}, "",
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/idle"]`, "LABEL " + LabelHelper + "=" + run}})
	if err != nil {
		return e.wrap(err, "make an image for a helper")
	}
	c.img, err = readImport(resp)
	resp.Close()
	if err != nil {
		return e.wrap(err, "make an image for a helper")
	}
	created, err := e.api.ContainerCreate(ctx,
		&container.Config{Image: c.img, Labels: map[string]string{LabelHelper: run}, NetworkDisabled: true},
		&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: volume, Target: copiedVolume, ReadOnly: !write,
			VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		}}}, nil, nil, "")
	if err != nil {
		return e.wrap(err, "make a helper for volume %s", volume)
	}
	c.container = created.ID
	return nil
}

// Read gives the volume's content as a tar archive, whose names are relative to the volume. The caller closes it.
func (c *VolumeCopier) Read(ctx context.Context) (io.ReadCloser, error) {
	r, _, err := c.engine.api.CopyFromContainer(ctx, c.container, copiedVolume+"/.")
	return r, c.engine.wrap(err, "copy volume")
}

// Write unpacks a tar archive into the volume.
func (c *VolumeCopier) Write(ctx context.Context, archive io.Reader) error {
	return c.engine.wrap(c.engine.api.CopyToContainer(ctx, c.container, copiedVolume, archive,
		container.CopyToContainerOptions{}), "copy to volume")
}

// Close removes what was made. It may be called again.
func (c *VolumeCopier) Close(ctx context.Context) error {
	h := &Helper{engine: c.engine, container: c.container, img: c.img}
	c.container, c.img = "", ""
	if err := h.Close(ctx); err != nil {
		return fmt.Errorf("end copying a volume: %w", err)
	}
	return nil
}
