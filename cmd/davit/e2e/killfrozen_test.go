package e2e

import (
	"testing"
	"time"

	"davit/engine/enginetest"

	"golang.org/x/sys/unix"
)

// davit is killed while it holds a container, by pause and by stop, also with the engine ended and started meanwhile: the
// container runs again within seconds, the next run succeeds and the repository is whole.
func TestKilledWhileContainersAreHeld(t *testing.T) {
	enginetest.NeedRoot(t)
	t.Parallel()
	s := newEngineSite(t, 1<<30, enginetest.DockerdOptions{Version: "20.10"})
	write(t, s.data+"/original", noise(96<<20))
	s.runApp(t, "sh", "-c", rewrite)
	s.says(t, "app", "ready")
	for _, c := range []struct{ consistency, held, engine string }{
		{"pause", "paused", "stays"},
		{"pause", "paused", "restarts"},
		{"stop", "exited", "stays"},
		{"stop", "exited", "dies"},
	} {
		t.Run(c.consistency+"/engine "+c.engine, func(t *testing.T) { s.killHeld(t, c.consistency, c.held, c.engine) })
	}
	s.ok(t, "backup", "verify", "--read-data")
}

func (s *engineSite) killHeld(t *testing.T, consistency, held, engine string) {
	args := []string{"--volume", "data", "--consistency", consistency, "--max-freeze", "60s"}
	davit := s.catchHeld(t, "app", held, args...)
	switch engine {
	case "restarts":
		s.Stop(t)
	case "dies":
		s.Kill9(t)
	}
	davit.kill(t)
	if engine != "stays" {
		s.Start(t)
	}
	since := time.Now()
	eventually(t, time.Minute, "app runs again", func() bool { return s.status("app") == "running" })
	t.Logf("app runs after %v", time.Since(since).Round(time.Millisecond))
	s.nothingToUndo(t)
	s.ok(t, "backup", "verify")
	report := s.create(t, []int{0}, args...)
	if len(report.Freezes) != 1 || !report.Complete {
		t.Errorf("the next run: %+v", report)
	}
	if got := s.status("app"); got != "running" {
		t.Errorf("after the next run app is %s", got)
	}
	s.ok(t, "backup", "verify")
}

// catchHeld starts backup create and brings it to a halt while the container is held.
func (s *engineSite) catchHeld(t *testing.T, container, held string, args ...string) *process {
	t.Helper()
	return s.haltWhen(t, func() bool { return s.status(container) == held }, append([]string{"backup", "create", "--progress", "none"}, args...)...)
}

// haltWhen starts a davit command and brings it to a halt as soon as something is so; it is started again when that was missed.
func (s *site) haltWhen(t *testing.T, is func() bool, args ...string) *process {
	t.Helper()
	for range 10 {
		p := s.start(t, args...)
		for !p.ended() {
			if !is() {
				time.Sleep(time.Millisecond)
				continue
			}
			p.signal(t, unix.SIGSTOP)
			if !p.ended() && is() {
				return p
			}
			p.signal(t, unix.SIGCONT)
		}
	}
	t.Fatalf("never seen while davit %q runs", args)
	return nil
}
