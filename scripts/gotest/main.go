package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	strict := os.Geteuid() == 0 || os.Getenv("CI") == "true"
	if len(args) > 0 && args[0] == "-allow-skips" {
		strict, args = false, args[1:]
	}
	if err := run(ctx, args, strict, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

// run starts go test and reports on it. An interrupt is passed on, so that tests clean
// up after themselves; the child gets a minute for that.
func run(ctx context.Context, args []string, strict bool, out io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("open pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	rep := newReport(out)
	readErr := rep.read(pipe)
	waitErr := cmd.Wait()
	verdict := rep.close(strict)
	return errors.Join(readErr, waitErr, verdict)
}

// optional tells a skip that is fine even where everything should run.
func optional(reason string) bool { return strings.HasPrefix(reason, "optional:") }
