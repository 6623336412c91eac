package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Prepare also tries whether the server keeps its promises: what is not seen at once by
// everybody could be taken for gone, or for not condemned, and be lost. Who wants the place
// first puts a marker there and then looks what else there is: of two, at least one sees the other.
func (r *remote) Prepare(ctx context.Context, folders []string) (done func(context.Context) error, err error) {
	empty, err := r.Empty(ctx)
	if err != nil {
		return nil, err
	}
	if !empty {
		return nil, ErrNotEmpty
	}
	marker := initFolder + "/" + newTicketName()
	done = func(ctx context.Context) error { return r.Remove(ctx, marker) }
	err = r.try(ctx, 0, func(ctx context.Context) error { return r.on.MakeFolders(ctx, append(folders, initFolder)) })
	if err == nil {
		err = r.Put(ctx, marker, nil)
	}
	if err == nil {
		err = r.alone(ctx, marker)
	}
	if err == nil {
		err = r.probeAll(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, done(context.WithoutCancel(ctx)))
	}
	return done, nil
}

// alone looks whether there is anything but one file.
func (r *remote) alone(ctx context.Context, file string) error {
	entries, err := r.entries(ctx, "")
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case e.name == file:
		case strings.HasPrefix(e.name, initFolder+"/"):
			return ErrBusy
		default:
			return ErrNotEmpty
		}
	}
	return nil
}

func (r *remote) probeAll(ctx context.Context) error {
	for n := range 3 {
		if err := r.probe(ctx, fmt.Sprintf("%s/%s-%d", probeFolder, newTicketName(), n)); err != nil {
			return err
		}
	}
	return nil
}

var errFound = errors.New("found")

func (r *remote) Empty(ctx context.Context) (bool, error) {
	empty := true
	err := r.try(ctx, 0, func(ctx context.Context) error {
		err := r.on.List(ctx, "", func(string, Info) error { return errFound })
		if empty = !errors.Is(err, errFound); !empty {
			return nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("list: %w", err)
	}
	return empty, nil
}

// probe writes a file, replaces it and removes it, and looks at it after each.
func (r *remote) probe(ctx context.Context, name string) error {
	if err := r.expect(ctx, name, nil); err != nil {
		return err
	}
	for _, content := range [][]byte{[]byte("first"), []byte("the second")} {
		if err := r.Put(ctx, name, content); err != nil {
			return err
		}
		if err := r.expect(ctx, name, content); err != nil {
			return err
		}
	}
	if err := r.Remove(ctx, name); err != nil {
		return err
	}
	return r.expect(ctx, name, nil)
}

// expect looks at a file in each way there is; nil is none.
func (r *remote) expect(ctx context.Context, name string, want []byte) error {
	data, err := r.Get(ctx, name, 1<<10)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, serr := r.Stat(ctx, name)
	if serr != nil && !errors.Is(serr, fs.ErrNotExist) {
		return serr
	}
	entries, lerr := r.entries(ctx, probeFolder)
	if lerr != nil {
		return lerr
	}
	listed := int64(-1)
	for _, e := range entries {
		if e.name == name {
			listed = e.info.Size
		}
	}
	there := want != nil
	switch {
	case there != (err == nil) || !bytes.Equal(data, want):
		return &UnfitError{Reason: "a read does not see what was written or removed just before"}
	case there != (serr == nil) || there && info.Size != int64(len(want)):
		return &UnfitError{Reason: "a look at a file does not see what was written or removed just before"}
	case there != (listed >= 0) || there && listed != int64(len(want)):
		return &UnfitError{Reason: "a list does not see what was written or removed just before"}
	case there && info.Time.IsZero():
		return &UnfitError{Reason: "it does not tell when a file was written"}
	}
	return nil
}
