package service

import (
	"context"
	"time"
)

// pollTime is how often an engine that starts is called.
const pollTime = 100 * time.Millisecond

// Ready returns when the engine that c has started or restarted answers, where its unit does not say that itself. Its
// errors are [*FailedError], when the engine ends instead, and [*SlowError], when ctx is over. An engine that cannot be
// called from here is not waited for.
func (s *Service) Ready(ctx context.Context, c Change, ask Ask) (Change, error) {
	if len(c.Units) == 0 || c.Unit.Notify {
		return c, nil
	}
	_, sockets, err := s.units(ctx)
	if err != nil {
		return c, err
	}
	for {
		started, err := s.running(ctx, c.verb, c.Units, c.begin)
		if err != nil {
			return c, s.outcome(ctx, c.verb, s.name, c.begin, err)
		}
		c = started
		var st Status
		s.effective(&st, working(c.Unit), sockets)
		if st.Endpoint == "" {
			return c, nil
		}
		if _, err := ask(ctx, st.Endpoint); err == nil {
			return c, nil
		}
		select {
		case <-time.After(pollTime):
		case <-ctx.Done():
			return c, s.outcome(ctx, c.verb, s.name, c.begin, context.Cause(ctx))
		}
	}
}
