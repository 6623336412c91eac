package dockercmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// notify returns a channel of the signals that end docker's client gently. SIGHUP is not one of them.
func notify() chan os.Signal {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	return signals
}

// withSignals returns a context that the first SIGINT or SIGTERM cancels.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := notify()
	go func() {
		select {
		case <-ctx.Done():
		case s := <-signals:
			number, _ := s.(syscall.Signal)
			cancel(terminatedError{number})
		}
		signal.Stop(signals)
	}()
	return ctx, func() { cancel(nil) }
}
