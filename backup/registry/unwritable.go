package registry

import (
	"context"
	"io"
	"time"

	"davit/backup/repo"
	"davit/backup/repo/storage"
)

// unwritable refuses all that would change a storage: a registry is written by Push alone.
type unwritable struct{}

func (unwritable) Put(context.Context, string, []byte) error { return repo.ErrReadOnly }

func (unwritable) PutFrom(context.Context, string, func(io.Writer) error) error {
	return repo.ErrReadOnly
}

func (unwritable) Remove(context.Context, string) error    { return repo.ErrReadOnly }
func (unwritable) RemoveAll(context.Context, string) error { return repo.ErrReadOnly }

func (unwritable) WriteBlob(context.Context, string, []byte) error { return repo.ErrReadOnly }

func (unwritable) Create(context.Context, string) (storage.Temp, error) {
	return nil, repo.ErrReadOnly
}

func (unwritable) Sync(context.Context) error { return repo.ErrReadOnly }

func (unwritable) RemoveBlobs(context.Context, []string, func(string, int64)) error {
	return repo.ErrReadOnly
}

func (unwritable) RemoveTemps(context.Context, []string) error { return repo.ErrReadOnly }
func (unwritable) Tidy(context.Context, time.Time) error       { return repo.ErrReadOnly }

func (unwritable) Claim(context.Context, string, []byte) (storage.Claim, error) {
	return nil, repo.ErrReadOnly
}

func (unwritable) Lock(context.Context, string, []byte) (storage.Lock, error) {
	return nil, repo.ErrReadOnly
}

func (unwritable) Holders(context.Context, string) ([]storage.Ticket, error) {
	return nil, repo.ErrReadOnly
}

func (unwritable) Break(context.Context, storage.Ticket) error { return repo.ErrReadOnly }
