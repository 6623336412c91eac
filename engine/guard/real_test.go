package guard

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
)

// dialEngine connects to a real engine.
func dialEngine(ctx context.Context, endpoint string) (Engine, error) {
	e, err := engine.Connect(ctx, engine.Target{Host: endpoint})
	if err != nil {
		return nil, err
	}
	return Of(e), nil
}

// Real containers run again within seconds when the owner is killed, also when the engine
// goes away and comes back in between.
func TestRealEngine(t *testing.T) {
	enginetest.NeedRoot(t)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	d.MakeImage(t, "bb:1")
	nothing := func(*enginetest.Dockerd, *testing.T) {}
	for name, c := range map[string]struct {
		mode          Mode
		before, after func(*enginetest.Dockerd, *testing.T) // the owner's death
	}{
		"pause":                    {Pause, nothing, nothing},
		"pause/engine restarted":   {Pause, stopEngine, startEngine},
		"pause/engine killed":      {Pause, killEngine, startEngine},
		"pause/engine is followed": {Pause, nothing, restartEngine},
		"stop":                     {Stop, nothing, nothing},
		"stop/engine restarted":    {Stop, stopEngine, startEngine},
		"stop/engine killed":       {Stop, killEngine, startEngine},
		"stop/engine is followed":  {Stop, nothing, restartEngine},
	} {
		t.Run(name, func(t *testing.T) {
			var targets []Target
			for i, args := range [][]string{{"--name", "app", "--restart", "always"}, {"--name", "db", "--restart", "unless-stopped"}} {
				id := d.RunContainer(t, append(args, "bb:1")...)
				targets = append(targets, Target{ID: id, Name: args[1], DependsOn: []string{"db"}[:1-i]})
			}
			defer d.CLI(t, "rm", "--force", "app", "db")
			o := frozenOwner(t, ownerPlan{Endpoint: d.Host, Mode: c.mode, Targets: targets})
			want := map[Mode]string{Pause: "paused", Stop: "exited"}[c.mode]
			if got := status(d, "app") + " " + status(d, "db"); got != want+" "+want {
				t.Fatalf("app and db are %s, want %s", got, want)
			}
			c.before(d, t)
			o.kill()
			c.after(d, t)
			eventually(t, time.Minute, "app and db run again", func() bool {
				return status(d, "app") == "running" && status(d, "db") == "running"
			})
			eventually(t, time.Minute, "journal removed", func() bool { return empty(t, o.dir) })
		})
	}
}

func stopEngine(d *enginetest.Dockerd, t *testing.T)    { d.Stop(t) }
func killEngine(d *enginetest.Dockerd, t *testing.T)    { d.Kill9(t) }
func startEngine(d *enginetest.Dockerd, t *testing.T)   { d.Start(t) }
func restartEngine(d *enginetest.Dockerd, t *testing.T) { d.Restart(t) }

// status is docker's word for a container's state.
func status(d *enginetest.Dockerd, name string) string {
	s, err := d.Try(nil, "inspect", "--format", "{{.State.Status}}", name)
	if err != nil {
		return err.Error()
	}
	return s
}

// What the guard reads from a real inspect document.
func TestStateOfARealContainer(t *testing.T) {
	enginetest.NeedRoot(t)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{})
	d.MakeImage(t, "bb:1")
	vpn := d.RunContainer(t, "--name", "vpn", "bb:1")
	labels := []string{"--label", "com.docker.compose.project=p", "--label", "com.docker.compose.service=app",
		"--label", "com.docker.compose.container-number=2"}
	id := d.RunContainer(t, append(labels, "--name", "p-app-2", "--rm", "--stop-timeout", "3", "--network", "container:vpn", "bb:1")...)
	eng, err := dialEngine(t.Context(), d.Host)
	must(t, err)

	s, err := eng.Inspect(t.Context(), "p-app-2")
	must(t, err)
	if s.StartedAt.IsZero() || time.Since(s.StartedAt).Abs() > time.Hour {
		t.Errorf("started at %v", s.StartedAt)
	}
	s.StartedAt = time.Time{}
	want := State{Target: Target{ID: id, Name: "p-app-2", Project: "p", Service: "app", Number: "2", DependsOn: []string{vpn}},
		Running: true, AutoRemove: true, StopTimeout: 3 * time.Second}
	if fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("state\n%+v, want\n%+v", s, want)
	}
	all, err := eng.ByService(t.Context(), "p", "app")
	if err != nil || len(all) != 1 || all[0].ID != id {
		t.Errorf("by service: %v, %v", all, err)
	}
	d.CLI(t, "pause", "vpn")
	if err := eng.Pause(t.Context(), vpn); err == nil || !strings.Contains(err.Error(), ErrConflict.Error()) {
		t.Errorf("pause of a paused container: %v", err)
	}
	if _, err := eng.Inspect(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), ErrNotFound.Error()) {
		t.Errorf("inspect of nothing: %v", err)
	}
}
