package dockercmd

import (
	"context"
	"io"

	"davit/backup/archive"
	"davit/engine"

	"github.com/docker/docker/api/types/image"
)

// engineAPI is the engine, able to load every archive that save writes.
type engineAPI struct{ engine.CommandAPI }

// ImageLoad unpacks what not every engine can unpack by itself.
func (e *engineAPI) ImageLoad(ctx context.Context, in io.Reader, options ...engine.LoadOption) (image.LoadResponse, error) {
	loadable, err := archive.Loadable(in)
	if err != nil {
		return image.LoadResponse{}, err
	}
	response, err := e.CommandAPI.ImageLoad(ctx, loadable, options...)
	if err != nil {
		_ = loadable.Close()
		return response, err
	}
	response.Body = &afterBody{ReadCloser: response.Body, also: loadable}
	return response, nil
}

// afterBody closes something else with a response's body.
type afterBody struct {
	io.ReadCloser
	also io.Closer
}

func (a *afterBody) Close() error {
	err := a.ReadCloser.Close()
	if also := a.also.Close(); err == nil {
		err = also
	}
	return err
}
