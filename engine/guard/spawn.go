package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"davit/engine/systemd"
)

const (
	// startTimeLimit is how long a guard may take to be ready, on a busy host.
	startTimeLimit = 15 * time.Second
	// closeTimeout is how long the owner waits for the guard's end.
	closeTimeout = 10 * time.Second
	// readyWord is what a guard says when it waits for the owner's end. Anything else is
	// the reason why it cannot.
	readyWord = "ready"
	// oomScore keeps the guard alive when memory is short; it needs next to none itself.
	oomScore = -900
)

// process is a started guard process as its owner sees it: by a pipe that the guard keeps
// open for its whole life.
type process struct{ gone chan struct{} }

func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}

// wait waits for the end of the process.
func (p *process) wait(limit time.Duration) error {
	select {
	case <-p.gone:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("end guard: it still runs after %v", limit)
	}
}

// startProcess starts a guard for the journal and returns when it is ready.
func startProcess(ctx context.Context, o Options, journal string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeLimit)
	defer cancel()
	p, err := openPipe(journal)
	if err != nil {
		return nil, err
	}
	failed := make(chan error, 1)
	if !o.Systemd || startUnit(ctx, o, journal) != nil {
		// A manager that cannot start units is as good as none: a session of root's stands
		// outside davit's control group as well.
		err = startSession(o, journal, failed)
	}
	if err == nil {
		err = p.await(ctx, failed)
	}
	if err != nil {
		// A guard that comes late does no harm: it sees the owner's end like any other.
		return nil, errors.Join(err, p.close())
	}
	return p.watch()
}

// startUnit starts the guard as a transient unit: out of reach of whatever ends davit's.
func startUnit(ctx context.Context, o Options, journal string) error {
	c, err := systemd.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.StartTransient(ctx, systemd.Transient{
		Name:        "davit-guard-" + o.RunID + ".service",
		Description: "davit guard of run " + o.RunID,
		Exec:        []string{o.Exe, Subcommand, "--journal", journal},
		Env:         passedEnv(os.Environ()),
		OOMScore:    oomScore,
		After:       []string{"docker.service"}, // at shutdown it ends before the engine
	})
}

// startSession starts the guard as a session of its own, which no terminal's end and no
// signal to davit's group reaches. What it has to say goes to a log beside the journal.
func startSession(o Options, journal string, failed chan<- error) error {
	log, err := os.OpenFile(logPath(journal), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(o.Exe, Subcommand, "--journal", journal, "--leave-cgroup")
	cmd.Dir, cmd.Stderr = "/", log
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		if err := cmd.Wait(); err != nil {
			failed <- fmt.Errorf("guard ended: %w", err)
		}
	}()
	return nil
}

// passedEnv picks what a connection to an engine needs. A unit's environment can be read
// by everybody, so the rest stays behind.
func passedEnv(env []string) []string {
	names := []string{"HOME", "USER", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "GOCOVERDIR"}
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !slices.Contains(names, name) && !strings.HasPrefix(name, "DOCKER_")
	})
}

func logPath(journal string) string  { return strings.TrimSuffix(journal, suffix) + ".log" }
func fifoPath(journal string) string { return strings.TrimSuffix(journal, suffix) + ".ready" }
