package dockercmd

import (
	"context"
	"io"

	"davit/backup/archive"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// engineAPI is the engine, able to load every archive that save writes.
type engineAPI struct{ client.APIClient }

// ImageLoad unpacks what not every engine can unpack by itself.
func (e *engineAPI) ImageLoad(ctx context.Context, in io.Reader, options ...client.ImageLoadOption) (image.LoadResponse, error) {
	loadable, err := archive.Loadable(in)
	if err != nil {
		return image.LoadResponse{}, err
	}
	response, err := e.APIClient.ImageLoad(ctx, loadable, options...)
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
