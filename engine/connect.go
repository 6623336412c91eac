package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// minAPI is what engine 20.10 speaks.
const minAPI = "1.41"

// pingTime is how long an engine may take for its first answer. Behind ssh there is a
// login before it.
const pingTime = 30 * time.Second

// Connect finds the engine, pings it and agrees on an API version, 1.41 or later; at the
// latest after 30 seconds. An engine that does not answer, or only as something else than
// a Docker Engine would, is an [*UnreachableError]. The caller closes the engine.
func Connect(ctx context.Context, t Target) (*Engine, error) {
	found, err := t.resolve()
	if err != nil {
		return nil, err
	}
	return found.connect(ctx)
}

// connect is Connect to what was found.
func (f resolved) connect(ctx context.Context) (*Engine, error) {
	ep, headers := f.endpoint, f.headers
	options, err := ep.ClientOpts()
	if err != nil {
		return nil, fmt.Errorf("use engine %s: %w", ep.Host, err)
	}
	if len(headers) > 0 {
		options = append(options, client.WithHTTPHeaders(headers))
	}
	ssh, err := newSSHDialer(ep.Host)
	if err != nil {
		return nil, fmt.Errorf("use engine %s: %w", ep.Host, err)
	}
	if ssh != nil {
		options = append(options, ssh.use)
	}
	api, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("use engine %s: %w", ep.Host, err)
	}
	e := &Engine{api: api, endpoint: ep.Host, ssh: ssh, reference: f.reference}
	if e.endpoint == "" {
		e.endpoint = api.DaemonHost()
	}
	if err := e.agree(ctx); err != nil {
		api.Close()
		return nil, err
	}
	return e, nil
}

// agree pings the engine and settles the API version.
func (e *Engine) agree(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	pong, err := e.api.Ping(limited)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return context.Cause(ctx)
		}
		return e.diagnose(err)
	}
	if pong.APIVersion == "" {
		return &UnreachableError{Endpoint: e.endpoint, Reason: "what answers is not a Docker Engine"}
	}
	e.api.NegotiateAPIVersionPing(pong)
	if v := e.api.ClientVersion(); versions.LessThan(v, minAPI) {
		return &UnreachableError{
			Endpoint: e.endpoint,
			Reason:   fmt.Sprintf("it speaks API %s, and %s is the oldest understood here", v, minAPI),
			Hint:     "upgrade the engine to 20.10 or later",
		}
	}
	return nil
}
