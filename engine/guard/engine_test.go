package guard

import (
	"context"

	"davit/engine"
)

// dialEngine connects to a real engine.
func dialEngine(ctx context.Context, endpoint string) (Engine, error) {
	e, err := engine.Connect(ctx, engine.Target{Host: endpoint})
	if err != nil {
		return nil, err
	}
	return Of(e), nil
}
