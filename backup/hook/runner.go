package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"davit/backup"
	"davit/engine"
	"davit/engine/hostfs"
)

// Engine is what hooks need of engine.Engine.
type Engine interface {
	// Reference is what the same engine is reached by from another process.
	Reference() string
	Exec(ctx context.Context, ref string, s engine.ExecSpec, out io.Writer) (int, error)
	InspectContainer(ctx context.Context, ref string) (engine.Container, error)
}

// Result is one command that ran.
type Result struct {
	Container string
	When      string // "pre" or "post"
	Command   string
	Output    string // its end
	Err       error
	Code      int // exit code; 0 as well when it did not come to one
	Took      time.Duration
}

// NotYet is the exit code by which a probe says that it cannot tell yet (EX_TEMPFAIL).
const NotYet = 75

// Runner runs the hooks of one process.
type Runner struct {
	engine Engine
	dir    string // of what is due
	now    func() time.Time
	log    func(Result)
}

// New makes a runner. What is due is noted below stateDir; log is told of every command that ran, one after the other.
func New(eng Engine, stateDir string, now func() time.Time, log func(Result)) *Runner {
	return &Runner{engine: eng, dir: dueFolder(stateDir), now: now, log: log}
}

// Of implements backup.Hooks.
func (r *Runner) Of(c engine.Container, labels map[string]string) (backup.Hook, error) {
	spec, err := Parse(labels)
	if spec == nil || err != nil {
		return nil, err
	}
	return &containerHook{runner: r, id: c.ID, name: c.Name, spec: spec}, nil
}

// containerHook is the hook of one container. The container may be made anew while a backup runs, so
// it is called by its name.
type containerHook struct {
	runner   *Runner
	id, name string
	spec     *Spec
	due      *hostfs.Note // nil when nothing is
}

func (h *containerHook) Describe() string { return h.spec.describe() }

// Pre notes what Post owes, then runs the commands until one fails.
func (h *containerHook) Pre(ctx context.Context) error {
	if len(h.spec.Post) > 0 {
		var err error
		h.due, err = h.runner.owe(h.name, h.spec)
		if err != nil {
			return err
		}
	}
	for _, c := range h.spec.Pre {
		if err := h.runner.run(ctx, h.name, "pre", c, h.spec.Timeout); err != nil {
			return err
		}
	}
	return nil
}

// Post runs all its commands, also when one fails.
func (h *containerHook) Post(ctx context.Context) error {
	errs := h.runner.runAll(ctx, h.name, h.spec.Post, h.spec.Timeout)
	if h.due != nil {
		errs = errors.Join(errs, h.due.Done())
		h.due = nil
	}
	return errs
}

func (r *Runner) runAll(ctx context.Context, container string, commands []Command, timeout time.Duration) error {
	var errs []error
	for _, c := range commands {
		errs = append(errs, r.run(ctx, container, "post", c, timeout))
	}
	return errors.Join(errs...)
}

// errTimeout ends a command that takes too long.
var errTimeout = errors.New("it did not end in time")

// run runs one command and logs it. Its error says which it was and what it printed last.
func (r *Runner) run(ctx context.Context, container, when string, c Command, timeout time.Duration) error {
	result := Run(ctx, r.engine, container, when, c, timeout, r.now)
	r.log(result)
	return result.Err
}

// Run runs one command in a container. The result's error says which it was and what it printed last.
func Run(ctx context.Context, eng Engine, container, when string, c Command, timeout time.Duration, now func() time.Time) Result {
	limited, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	began, out := now(), &tail{}
	code, err := eng.Exec(limited, container, engine.ExecSpec{Cmd: c.Args, User: c.User}, out)
	switch {
	case errors.Is(err, errTimeout):
		err = fmt.Errorf("%s (%s) did not end within %v", when, c.Text, timeout)
	case err != nil:
		err = fmt.Errorf("%s (%s): %w", when, c.Text, err)
	case code != 0:
		err = fmt.Errorf("%s (%s) ended with exit code %d%s", when, c.Text, code, lastWords(out.String()))
	}
	return Result{Container: container, When: when, Command: c.Text, Output: out.String(), Err: err, Code: code, Took: now().Sub(began)}
}

// lastWords is the last line that a command printed, for an error.
func lastWords(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if last == "" {
		return ""
	}
	return ": " + last
}

// maxOutput is how much of a command's output is kept.
const maxOutput = 8 << 10

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - maxOutput; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.data), "�") }
