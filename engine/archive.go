package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/docker/docker/client"
)

// SaveImages streams an archive of images, named by ids or references; the caller closes
// it, and cancels ctx to give up. The engine may end the stream with the text of an error
// in place of the rest: who reads it has to notice.
func (e *Engine) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	r, err := e.api.ImageSave(ctx, refs)
	return r, e.wrap(err, "save images %s", strings.Join(refs, ", "))
}

// LoadResult is what an engine says that it loaded.
type LoadResult struct {
	Refs []string // name:tag, of images with a name
	IDs  []string // of images without one
}

// LoadImage gives an archive to the engine and reads its answer to the end: the engine
// says 200 first, and what went wrong later, in a stream of messages.
func (e *Engine) LoadImage(ctx context.Context, r io.Reader) (LoadResult, error) {
	resp, err := e.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return LoadResult{}, e.wrap(err, "load images")
	}
	defer resp.Body.Close()
	result, err := readLoad(resp.Body)
	return result, e.wrap(err, "load images")
}

// loadMessage is one message of the answer.
type loadMessage struct {
	Stream string `json:"stream"`
	Error  string `json:"error"`
	Detail *struct {
		Message string `json:"message"`
	} `json:"errorDetail"`
}

func readLoad(r io.Reader) (LoadResult, error) {
	var result LoadResult
	dec := json.NewDecoder(r)
	for {
		var m loadMessage
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return result, fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Detail != nil && m.Detail.Message != "" {
			return result, errors.New(m.Detail.Message)
		}
		if m.Error != "" {
			return result, errors.New(m.Error)
		}
		for _, line := range strings.Split(m.Stream, "\n") {
			if ref, ok := strings.CutPrefix(line, "Loaded image: "); ok {
				result.Refs = append(result.Refs, strings.TrimSpace(ref))
			}
			if id, ok := strings.CutPrefix(line, "Loaded image ID: "); ok {
				result.IDs = append(result.IDs, strings.TrimSpace(id))
			}
		}
	}
}
