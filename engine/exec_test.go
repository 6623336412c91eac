package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine"
)

// A command in a container gives its output, its exit code and its user; one that is given up is gone with all that
// it started.
func testExec(t *testing.T, b *bed) {
	b.d.CLI(t, "run", "-d", "--name", "exec", "app:1")
	var out bytes.Buffer
	code, err := b.Exec(t.Context(), "exec", engine.ExecSpec{Cmd: []string{"sh", "-c", "id -u; echo no >&2; exit 7"}, User: "65534"}, &out)
	if err != nil || code != 7 || !strings.Contains(out.String(), "65534\n") || !strings.Contains(out.String(), "no\n") {
		t.Errorf("%d, %v: %s", code, err, out.String())
	}
	if _, err := b.Exec(t.Context(), "no-such", engine.ExecSpec{Cmd: []string{"true"}}, &out); !engine.IsNotFound(err) {
		t.Errorf("error is %v", err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	begun := &signal{ch: make(chan struct{}, 1)}
	go func() {
		<-begun.ch
		cancel(enough)
	}()
	if _, err := b.Exec(ctx, "exec", engine.ExecSpec{Cmd: []string{"sh", "-c", "echo begun; sleep 4711 & sleep 4712"}}, begun); !errors.Is(err, enough) {
		t.Errorf("error is %v", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left := processes(t, b.d.CLI(t, "inspect", "-f", "{{.Id}}", "exec"), "471")
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %q", left)
		}
	}
	b.d.CLI(t, "rm", "-f", "exec")
}

// signal says when something was written.
type signal struct{ ch chan struct{} }

func (s *signal) Write(p []byte) (int, error) {
	select {
	case s.ch <- struct{}{}:
	default:
	}
	return len(p), nil
}

// processes are the command lines in a container that hold a text.
func processes(t *testing.T, container, text string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, dir := range dirs {
		groups, _ := os.ReadFile(dir + "/cgroup")
		line, _ := os.ReadFile(dir + "/cmdline")
		if strings.Contains(string(groups), strings.TrimSpace(container)) && strings.Contains(string(line), text) {
			list = append(list, string(line))
		}
	}
	return list
}
