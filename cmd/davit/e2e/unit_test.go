//go:build integration

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// hostSite is a host with systemd where davit works as a unit.
type hostSite struct {
	*enginetest.Host
	api  engineAPI
	runs int
}

// newHostSite boots a host with davit, a repository, and a container app that always writes to the volume data.
func newHostSite(t *testing.T) *hostSite {
	t.Helper()
	davit, err := exec.LookPath("davit")
	if err != nil {
		t.Fatal(err)
	}
	s := &hostSite{Host: enginetest.StartHost(t)}
	s.Put(t, davit, "/usr/local/bin/davit")
	s.connect(t)
	s.Must(t, "sh", "-ec", `mkdir -p /tmp/image/bin
		cp /bin/busybox /tmp/image/bin/busybox
		for a in sh cp dd; do ln -s busybox /tmp/image/bin/$a; done
		tar -C /tmp/image -c . | docker import --change 'ENV PATH=/bin' - bb:1
		docker volume create data
		dd if=/dev/urandom of=/var/lib/docker/volumes/data/_data/original bs=1M count=96
		davit backup init --repo /srv/repo`)
	s.Must(t, "docker", "run", "--detach", "--name", "app", "--init", "--restart", "unless-stopped", "--network", "none",
		"--volume", "data:/data", "bb:1", "sh", "-c", rewrite)
	return s
}

// connect is to be called again after each boot.
func (s *hostSite) connect(t *testing.T) {
	t.Helper()
	s.api = newEngineAPI(filepath.Join(s.Root(t), "run/docker.sock"))
}

// catchUnit starts a backup as a unit and brings it to a halt while app is held. It returns the unit.
func (s *hostSite) catchUnit(t *testing.T, consistency string, properties ...string) string {
	t.Helper()
	held := map[string]string{"pause": "paused", "stop": "exited"}[consistency]
	for range 10 {
		s.runs++
		unit := fmt.Sprintf("backup%d.service", s.runs)
		args := []string{"systemd-run", "--quiet", "--unit", unit, "--property", "RemainAfterExit=yes"}
		for _, p := range properties {
			args = append(args, "--property", p)
		}
		s.Must(t, append(args, "davit", "backup", "create", "--repo", "/srv/repo", "--volume", "data",
			"--consistency", consistency, "--max-freeze", "60s")...)
		for s.running(t, unit) {
			for began := time.Now(); time.Since(began) < time.Second && s.api.status("app") != held; {
				time.Sleep(time.Millisecond)
			}
			if s.api.status("app") != held {
				continue
			}
			s.Run(t, "systemctl", "kill", "--signal", "STOP", unit) // it may have ended
			if s.running(t, unit) && s.api.status("app") == held {
				return unit
			}
			s.Run(t, "systemctl", "kill", "--signal", "CONT", unit)
		}
	}
	t.Fatalf("app was never seen %s", held)
	return ""
}

// running tells whether the unit's process is there.
func (s *hostSite) running(t *testing.T, unit string) bool {
	t.Helper()
	return s.show(t, unit, "SubState") == "running"
}

func (s *hostSite) show(t *testing.T, unit, property string) string {
	t.Helper()
	return strings.TrimSpace(s.Must(t, "systemctl", "show", "--value", "--property", property, unit))
}

// recovered waits until app runs and nothing is left to undo, and proves that the next run succeeds.
func (s *hostSite) recovered(t *testing.T, consistency string) {
	t.Helper()
	since := time.Now()
	eventually(t, time.Minute, "app runs again", func() bool { return s.api.status("app") == "running" })
	t.Logf("app runs after %v", time.Since(since).Round(time.Millisecond))
	eventually(t, time.Minute, "no journal is left", func() bool {
		out, _, _ := s.Run(t, "find", "/var/lib/davit/guard", "-name", "*.jsonl")
		return out == ""
	})
	s.Must(t, "davit", "backup", "verify", "--repo", "/srv/repo")
	s.Must(t, "davit", "backup", "create", "--repo", "/srv/repo", "--volume", "data", "--consistency", consistency, "--max-freeze", "60s")
	if got := s.api.status("app"); got != "running" {
		t.Errorf("after the next run app is %s", got)
	}
}

// The unit that davit runs in is ended while a container is held, in every way there is: the container runs again within
// seconds, because the guard is a unit of its own.
func TestUnitEndedWhileContainersAreHeld(t *testing.T) {
	s := newHostSite(t)
	for name, c := range map[string]struct {
		properties []string
		end        func(t *testing.T, unit string)
	}{
		"stop": {nil, func(t *testing.T, unit string) { s.Must(t, "systemctl", "stop", unit) }},
		"stop, killed": {[]string{"KillSignal=SIGKILL"}, func(t *testing.T, unit string) {
			s.Must(t, "systemctl", "stop", unit)
		}},
		"time limit": {[]string{"KillSignal=SIGKILL", "RuntimeMaxSec=15"}, func(t *testing.T, unit string) {
			eventually(t, time.Minute, "the time limit ends the unit", func() bool { return !s.running(t, unit) })
			if got := s.show(t, unit, "Result"); got != "timeout" {
				t.Errorf("the unit's result is %s", got)
			}
		}},
		"out of memory": {[]string{"OOMScoreAdjust=1000"}, s.runOutOfMemory},
	} {
		for _, consistency := range []string{"pause", "stop"} {
			t.Run(name+"/"+consistency, func(t *testing.T) {
				unit := s.catchUnit(t, consistency, c.properties...)
				c.end(t, unit)
				s.recovered(t, consistency)
			})
		}
	}
}

// runOutOfMemory puts davit into a control group with another process, which takes more memory than the group may
// have. The kernel kills davit first, since its score says so. The other process takes 200 MiB in all, limit or not.
func (s *hostSite) runOutOfMemory(t *testing.T, unit string) {
	_, _, code := s.Run(t, "sh", "-c", `g=/sys/fs/cgroup/memory/few
		[ -d $g ] || mkdir $g || exit 1
		echo 64M > $g/memory.limit_in_bytes && [ "$(cat $g/memory.limit_in_bytes)" = 67108864 ] || exit 1
		sh -c "echo \$\$ > $g/cgroup.procs; exec prlimit --as=400000000 dd if=/dev/zero of=/dev/null bs=200M count=1" && exit 1
		exit 0`)
	if code != 0 {
		s.Must(t, "systemctl", "kill", "--signal", "KILL", unit)
		s.recovered(t, "pause")
		t.Skip("optional: no control group here holds a memory limit")
	}
	s.Must(t, "sh", "-c", `g=/sys/fs/cgroup/memory/few
		echo "$1" > $g/cgroup.procs
		sh -c "echo \$\$ > $g/cgroup.procs; exec prlimit --as=400000000 dd if=/dev/zero of=/dev/null bs=200M count=1"
		exit 0`, "sh", s.show(t, unit, "MainPID"))
	eventually(t, time.Minute, "davit is killed", func() bool { return !s.running(t, unit) })
	if got := s.show(t, unit, "ExecMainStatus"); got != "9" {
		t.Errorf("the unit ended with %s, not by SIGKILL", got)
	}
}

// The power goes while a container is held. After the boot, recover brings back what the engine does not.
func TestPowerCutWhileContainersAreHeld(t *testing.T) {
	s := newHostSite(t)
	for _, consistency := range []string{"stop", "pause"} {
		t.Run(consistency, func(t *testing.T) {
			s.catchUnit(t, consistency)
			s.PowerCut(t)
			s.Boot(t)
			s.connect(t)
			eventually(t, time.Minute, "the engine is up", func() bool {
				_, _, code := s.Run(t, "docker", "version")
				return code == 0
			})
			if got := s.api.status("app"); consistency == "stop" && got != "exited" {
				t.Errorf("before recover app is %s: nothing to prove", got)
			}
			out := s.Must(t, "davit", "recover")
			if consistency == "stop" && !strings.Contains(out, "app") {
				t.Errorf("recover said %q", out)
			}
			s.recovered(t, consistency)
			if out := s.Must(t, "davit", "recover"); !strings.Contains(out, "nothing to undo") {
				t.Errorf("recover said again %q", out)
			}
		})
	}
}
