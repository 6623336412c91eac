package systemd

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Timer tells when a timer fires next and when it did last; zero when it does not, or never did.
func (c *Conn) Timer(ctx context.Context, name string) (next, last time.Time, err error) {
	p, err := c.bus.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return next, last, fmt.Errorf("ask systemd about %s: %w", name, err)
	}
	props := properties(p)
	return props.moment("NextElapseUSecRealtime"), props.moment("LastTriggerUSec"), nil
}

// moment reads microseconds since 1970; none, and the manager's infinity, are zero.
func (p properties) moment(name string) time.Time {
	usec := p.number(name)
	if usec == 0 || usec > math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec))
}
