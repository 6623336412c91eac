package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/enginetest"
)

// killedDrill is the subcommand of the test's binary that makes a drill and kills itself.
const killedDrill = "killed-drill"

// killer ends the process the moment that a drill does a certain thing.
type killer struct {
	backup.NoReporter
	at string
}

func (k killer) Item(name string) {
	if strings.HasPrefix(name, k.at) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

func drillAndBeKilled(endpoint, disk, at string) int {
	ctx := context.Background()
	eng, err := engine.Connect(ctx, engine.Target{Host: endpoint})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r, err := repo.Open(filepath.Join(disk, "repo"), repo.Options{Host: "nas", ReadOnly: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	env := testEnv(eng, disk, r)
	env.Reporter = killer{at: at}
	plan, err := Make(ctx, env, eng, Options{Spec: "latest", Timeout: 20 * time.Second})
	if err == nil {
		_, err = Run(ctx, env, eng, plan)
	}
	fmt.Fprintln(os.Stderr, "the drill was not killed:", err)
	return 1
}

// Whenever a drill is killed, recovering removes all that it made and nothing else, and its report says that it was killed.
func testKilled(t *testing.T, h *realHost) {
	moments := []string{"start"} // all is made by then
	if enginetest.Integration {
		moments = append(moments, "images", "volume/", "remove")
	}
	before := h.everything(t)
	for _, at := range moments {
		cmd := exec.Command(os.Args[0], killedDrill, h.Host, h.disk, at)
		out, err := cmd.CombinedOutput()
		if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
			t.Fatalf("at %s: %v: %s", at, err, out)
		}
		if h.everything(t) == before {
			t.Errorf("killed at %s: nothing was left: this shows nothing", at)
		}
		if !Left(h.env.StateDir) {
			t.Errorf("killed at %s: there is no journal", at)
		}
		list, err := Reports(h.env.StateDir)
		if err != nil || list[0].Verdict != Killed {
			t.Errorf("killed at %s: %v, %+v", at, err, list[0])
		}
		removed, err := Recover(t.Context(), h.env.StateDir, func(context.Context, string) (Engine, func(), error) {
			return h.eng, func() {}, nil
		})
		if err != nil || len(removed) != 1 {
			t.Errorf("killed at %s: %+v, %v", at, removed, err)
		}
		if after := h.everything(t); after != before {
			t.Errorf("killed at %s: the host is not as it was:\n%s\nnow:\n%s", at, before, after)
		}
		if Left(h.env.StateDir) {
			t.Errorf("killed at %s: the journal is still there", at)
		}
	}
}

// interrupter cancels the drill the moment that it does a certain thing.
type interrupter struct {
	backup.NoReporter
	at   string
	stop context.CancelCauseFunc
}

func (i interrupter) Item(name string) {
	if strings.HasPrefix(name, i.at) {
		i.stop(errStopped)
	}
}

var errStopped = errors.New("somebody stops it")

// Whenever a drill is interrupted, it removes all that it made itself, and its report says that it was interrupted; when that comes
// with the clean-up, that is done all the same.
func testInterrupted(t *testing.T, h *realHost) {
	defer func() { h.env.Reporter = nil }()
	before := h.everything(t)
	for _, at := range []string{"images", "volume/", "start", "probe", "read", "remove"} {
		ctx, stop := context.WithCancelCause(t.Context())
		h.env.Reporter = interrupter{at: at, stop: stop}
		plan, err := Make(ctx, h.env, h.eng, Options{Spec: "latest", Timeout: 20 * time.Second, Probes: []Probe{mustProbe(t, "shop-web-1=sleep 1")}})
		if err != nil {
			t.Fatal(err)
		}
		report, err := Run(ctx, h.env, h.eng, plan)
		if ctx.Err() == nil {
			t.Fatalf("it never came to %q", at)
		}
		if !errors.Is(err, errStopped) || report.Verdict != Interrupted || report.Removed == nil {
			t.Errorf("at %s: %v: %+v", at, err, report)
		}
		if after := h.everything(t); after != before {
			t.Errorf("at %s: the host is not as it was:\n%s\nnow:\n%s", at, before, after)
		}
		if Left(h.env.StateDir) {
			t.Errorf("at %s: the journal is still there", at)
		}
	}
}
