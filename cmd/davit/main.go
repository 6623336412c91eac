// Command davit keeps a Docker host and its data safe.
//
// This package holds flags, wiring, rendering and exit codes, one file per command. It decides nothing:
// what is saved, restored or removed is decided by the packages it calls.
package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	os.Exit(run())
}

// run is main without the exit, so that every deferred call runs.
func run() int {
	host := thisHost()
	for _, first := range []func(context.Context, []string) (int, bool){host.docker, host.service} {
		if code, ok := first(context.Background(), os.Args[1:]); ok {
			return code
		}
	}
	boundMemory()
	ctx, stop := withSignals(context.Background())
	defer stop()
	return host.run(ctx, os.Args[1:])
}

// boundMemory lets the garbage collector run at half of Go's default growth. A backup keeps a few large buffers for its
// whole run, and shares the host with what it backs up: this takes a fifth off the peak and costs no measurable time.
func boundMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// interruptedError is the cause of a context that a signal cancelled.
type interruptedError struct{ signal syscall.Signal }

func (e interruptedError) Error() string {
	name := map[syscall.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP"}[e.signal]
	return "interrupted by " + cmp.Or(name, e.signal.String())
}

// withSignals returns a context that the first SIGINT, SIGTERM or SIGHUP cancels. After that the signals have their
// default effect again, so that a second Ctrl-C ends a run that does not want to end; what is frozen then is
// thawed by the guard.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			cancel(interruptedError{signal: number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
