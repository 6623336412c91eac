//go:build integration

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// newTLSSite is a site whose engine wants certificates; a docker context, which only the command line names, has them.
func newTLSSite(t *testing.T) *engineSite {
	t.Helper()
	keys := t.TempDir()
	enginetest.MakeKeys(t, keys)
	s := newEngineSite(t, 1<<30, enginetest.DockerdOptions{
		Hosts: []string{"tcp://127.0.0.1:2376"},
		Config: map[string]any{
			"tlsverify": true, "tlscacert": keys + "/ca.pem", "tlscert": keys + "/cert.pem", "tlskey": keys + "/key.pem",
		},
	})
	s.engine = "" // the context says
	s.CLI(t, "--config", s.disk+"/docker", "context", "create", "far", "--docker",
		"host=tcp://"+enginetest.Forward(t, s.Netns, "127.0.0.1:2376")+",ca="+keys+"/ca.pem,cert="+keys+"/cert.pem,key="+keys+"/key.pem")
	return s
}

// far are the flags by which davit reaches the engine of newTLSSite.
func (s *engineSite) far(args ...string) []string {
	return append([]string{"--config", s.disk + "/docker", "--context", "far"}, args...)
}

// helpers counts helper containers, also those that do not run.
func (s *engineSite) helpers(t *testing.T) int {
	t.Helper()
	out, err := s.Try(nil, "ps", "--all", "--quiet", "--filter", "label=davit.helper")
	if err != nil {
		t.Fatal(err)
	}
	return len(strings.Fields(out))
}

// killGuard kills the guard of the run that goes on, as its journal names it.
func (s *engineSite) killGuard(t *testing.T) {
	t.Helper()
	journals, err := filepath.Glob(s.disk + "/state/guard/*.jsonl")
	if err != nil || len(journals) != 1 {
		t.Fatalf("%q, %v", journals, err)
	}
	f, err := os.Open(journals[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var r struct {
			Op      string
			Process struct{ PID int }
		}
		if err := d.Decode(&r); err != nil {
			t.Fatalf("the guard is not in its journal: %v", err)
		}
		if r.Op != "guard" {
			continue
		}
		if err := syscall.Kill(r.Process.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// An engine that wants certificates is reached by the guard, and by davit recover, without anybody naming its context again: when
// davit is killed while it holds a container, the guard lets it run; when the guard is killed as well, recover does; and what
// helper containers there were is removed. A context that leads elsewhere meanwhile is not followed.
func TestKilledOverTLS(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newTLSSite(t)
	write(t, s.data+"/original", noise(32<<20))
	s.runApp(t, "sh", "-c", rewrite)
	s.says(t, "app", "ready")
	create := s.far("backup", "create", "--progress", "none", "--volume", "data", "--max-freeze", "60s")
	s.ok(t, create...)
	s.noHelpers(t)

	t.Run("guard", func(t *testing.T) {
		s.haltWhen(t, func() bool { return s.status("app") == "paused" }, create...).kill(t)
		eventually(t, time.Minute, "app runs again", func() bool { return s.status("app") == "running" })
		s.nothingToUndo(t)
		s.ok(t, "recover")
		s.noHelpers(t)
	})
	t.Run("recover", func(t *testing.T) {
		p := s.haltWhen(t, func() bool { return s.status("app") == "paused" }, create...)
		s.killGuard(t)
		p.kill(t)
		meta, err := filepath.Glob(s.disk + "/docker/contexts/meta/*/meta.json")
		if err != nil || len(meta) != 1 {
			t.Fatalf("%q, %v", meta, err)
		}
		right, err := os.ReadFile(meta[0])
		if err != nil {
			t.Fatal(err)
		}
		write(t, meta[0], []byte(strings.Replace(string(right), "tcp://127.0.0.1:", "tcp://127.0.0.9:", 1)))
		if r := s.ends(t, []int{1}, "recover"); !strings.Contains(r.err, `context "far" leads to tcp://127.0.0.9:`) || s.status("app") != "paused" {
			t.Errorf("app is %s; %s", s.status("app"), r.err)
		}
		write(t, meta[0], right)
		if out := s.ok(t, "recover"); !strings.Contains(out, "app: ") || s.status("app") != "running" {
			t.Errorf("app is %s; %s", s.status("app"), out)
		}
		s.nothingToUndo(t)
		s.noHelpers(t)
	})
	s.ok(t, append(create, "--repo", s.repo)...)
}

// Every kind of helper container that a killed davit leaves is removed by davit recover and by the next run, with its image and
// what it held mounted; one of a run that lives is let be.
func TestKilledWithHelpers(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newTLSSite(t)
	write(t, s.data+"/original", noise(64<<20))
	s.CLI(t, "volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+s.data, "device")
	s.CLI(t, "volume", "create", "plain")
	plain := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "plain")
	write(t, plain+"/original", noise(64<<20))
	local := func(args ...string) []string { return append([]string{"--host", s.Host}, args...) }
	for _, c := range []struct {
		name string
		args []string
	}{
		{"mounts a device", local("backup", "create", "--volume", "device")},
		{"copies", s.far("backup", "create", "--volume", "plain", "--agent", "never")},
		{"agent", s.far("backup", "create", "--volume", "plain")},
		{"agent, here", local("backup", "create", "--volume", "plain", "--agent", "always")},
		{"restores by copying", s.far("backup", "restore", "latest:volume/plain", "--to-volume", "again", "--agent", "never")},
		{"restores by an agent", s.far("backup", "restore", "latest:volume/plain", "--to-volume", "again2")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasPrefix(c.name, "restores") {
				s.ok(t, local("backup", "create", "--volume", "plain", "--progress", "none")...)
			}
			args := append(c.args, "--progress", "none")
			p := s.haltWhen(t, func() bool { return s.helpers(t) > 0 }, args...)
			s.ok(t, "recover")
			if s.helpers(t) == 0 {
				t.Error("recover removed the helper of a run that lives")
			}
			p.kill(t)
			s.ok(t, "recover")
			s.noHelpers(t)
			s.notMounted(t, "device")
			if strings.HasPrefix(c.name, "restores") {
				return
			}
			s.haltWhen(t, func() bool { return s.helpers(t) > 0 }, args...).kill(t)
			s.ok(t, args...) // the next run removes them first
			s.noHelpers(t)
			s.notMounted(t, "device")
		})
	}
}

// notMounted checks that no helper keeps a volume mounted.
func (s *engineSite) notMounted(t *testing.T, volume string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if point := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", volume); strings.Contains(string(mounts), " "+point+" ") {
		t.Errorf("%s is still mounted", volume)
	}
}

// A drill on an engine that is not here is refused in one line, before anything is made; a snapshot of one can be drilled here.
func TestDrillElsewhere(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newTLSSite(t)
	s.CLI(t, "volume", "create", "plain")
	s.RunContainer(t, "--name", "web", "--init", "-v", "plain:/data", "bb:1", "sh", "-c", "echo there > /data/file; exec sleep 1d")
	s.ok(t, s.far("backup", "create", "--container", "web", "--progress", "none")...)
	r := s.ends(t, []int{1}, s.far("backup", "drill", "--yes")...)
	if oneLine(t, r); !strings.Contains(r.err, "the engine is not local: it is reached over tcp") || !strings.Contains(r.err, "hint: run the drill on the engine's own host") {
		t.Errorf("refused with %s", r.err)
	}
	s.ok(t, "--host", s.Host, "backup", "drill", "--yes", "--probe", "web=grep there /data/file")
}
