package migrate

import (
	"context"
	"sync"
	"time"
)

// throttle lets so many bytes per second through, for all goroutines together.
type throttle struct {
	rate int64

	mu   sync.Mutex
	free time.Time // when all that was let through has had its time
}

// wait waits until n bytes more may go.
func (t *throttle) wait(ctx context.Context, n int) error {
	t.mu.Lock()
	now := time.Now()
	if t.free.Before(now) {
		t.free = now
	}
	until := t.free.Sub(now)
	t.free = t.free.Add(time.Duration(float64(n) / float64(t.rate) * float64(time.Second)))
	t.mu.Unlock()
	if until <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(until)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
