package chunk

import (
	"errors"
	"testing"
)

// Flushes run beside the writer, one at a time, and the first error is not lost.
func TestFlusher(t *testing.T) {
	began, let := make(chan struct{}), make(chan struct{})
	calls := 0
	broken := errors.New("disk is broken")
	f := newFlusher(func() error {
		calls++
		if calls > 1 {
			t.Error("flushed again after an error")
		}
		close(began)
		<-let
		return broken
	})
	f.wrote(flushEach - 1)
	select {
	case <-began:
		t.Error("flushed too early")
	default:
	}
	f.wrote(1)
	<-began
	for range 5 { // does not wait for the one at work
		f.wrote(flushEach)
	}
	close(let)
	if err := f.stop(); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	if err := newFlusher(func() error { t.Error("nothing was written"); return nil }).stop(); err != nil {
		t.Error(err)
	}
}
