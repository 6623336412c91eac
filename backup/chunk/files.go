package chunk

import (
	"context"
	"errors"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"davit/backup/repo"
)

// Files calls visit for every entry of a tree item in stream order, from the
// catalogs alone. The entry is valid during the call.
func Files(ctx context.Context, r Reader, item ocispec.Descriptor, visit func(*Entry) error) error {
	dec, err := NewDecoder()
	if err != nil {
		return err
	}
	defer dec.Close()
	return repo.WalkParts(ctx, r, item, func(desc ocispec.Descriptor) error {
		part, err := readPart(ctx, r, desc)
		if err != nil {
			return err
		}
		return part.groups(ctx, r, dec, func(g *group) error {
			return visitEntries(g, visit)
		})
	})
}

// visitError carries the caller's error through the catalog scanner, which
// takes other errors for damage.
type visitError struct{ err error }

func (e *visitError) Error() string { return e.err.Error() }
func (e *visitError) Unwrap() error { return e.err }

func visitEntries(g *group, visit func(*Entry) error) error {
	return scanEntries(g.lines, func(e *Entry) error {
		if err := visit(e); err != nil {
			return &visitError{err}
		}
		return nil
	})
}

// catalogError turns what is wrong with a catalog into damage of its blob, and
// gives the visitor's errors back as they were.
func catalogError(catalog repo.Digest, err error) error {
	var visit *visitError
	var damaged *repo.DamagedError
	switch {
	case err == nil, errors.As(err, &damaged), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &visit):
		return visit.err
	}
	return &repo.DamagedError{Digest: catalog, Reason: err.Error()}
}

// Layers lists the chunks of a part, in stream order.
func Layers(ctx context.Context, r Reader, part ocispec.Descriptor) ([]repo.Blob, error) {
	p, err := readPart(ctx, r, part)
	if err != nil {
		return nil, err
	}
	return p.Layers, nil
}
