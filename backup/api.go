package backup

import (
	"context"
	"errors"
)

// Verify checks that every blob that a ref leads to is there and is what it should be. Damage is in
// the report, and in its Err.
func Verify(ctx context.Context, env *Env, o VerifyOptions) (*VerifyReport, error) {
	return nil, errors.ErrUnsupported
}
