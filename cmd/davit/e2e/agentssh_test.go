//go:build integration

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// An engine behind a real ssh server: its volumes are saved and restored as local ones are, with all metadata; the second
// run reads little; when davit is killed while it holds a container, the guard, which goes by ssh itself, lets it run
// again, and the helper is gone.
func TestAgentOverSSH(t *testing.T) {
	enginetest.NeedRoot(t)
	s := newEngineSite(t, 1<<30, enginetest.DockerdOptions{Version: "28.5"})
	enginetest.StartSSHD(t, s.Dockerd)
	s.engine = "ssh://root@good"
	s.CLI(t, "volume", "create", "full")
	full := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "full")
	enginetest.BuildTree(t, full)
	write(t, s.data+"/original", noise(32<<20))
	s.runApp(t, "sh", "-c", rewrite)
	s.says(t, "app", "ready")
	bind := t.TempDir()
	enginetest.BuildTree(t, bind)
	s.RunContainer(t, "--name", "web", "--network", "none", "-v", bind+":/site", "bb:1", "sleep", "1d")

	report := s.createFar(t, "--volume", "full", "--volume", "data", "--bind")
	if len(report.Freezes) == 0 || len(report.Items) < 3 {
		t.Errorf("%+v", report)
	}
	for _, it := range s.createFar(t, "--volume", "full", "--bind").Items {
		if it.BytesRead > 2<<20 {
			t.Errorf("%d bytes of %s are read again", it.BytesRead, it.Name)
		}
	}
	s.ok(t, "backup", "restore", "latest:volume/full", "--to-volume", "again", "--progress", "none")
	again := s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "again")
	same(t, "restored over ssh", tree(t, full), tree(t, again))
	s.CLI(t, "rm", "--force", "web")
	bound := tree(t, bind)
	emptied(t, bind)
	s.ok(t, "backup", "restore", "latest", "--only", "bind", "--progress", "none")
	same(t, "bind mount restored over ssh", bound, tree(t, bind))
	s.noHelpers(t)

	davit := s.catchHeld(t, "app", "paused", "--volume", "data", "--max-freeze", "60s")
	davit.kill(t)
	eventually(t, time.Minute, "app runs again", func() bool { return s.status("app") == "running" })
	s.nothingToUndo(t)
	s.ok(t, "recover")
	s.noHelpers(t)

	s.copied(t)
}

// copied has the engine copy a volume: what its archives hold comes back, and the rest is told.
func (s *engineSite) copied(t *testing.T) {
	t.Helper()
	s.CLI(t, "run", "--rm", "--network", "none", "-v", "plain:/data", "bb:1", "sh", "-c",
		"mkdir /data/d && echo one > /data/d/one && ln /data/d/one /data/two && ln -s d/one /data/l && mkfifo /data/f && chown 33:44 /data/d && chmod 4751 /data/two && touch -d '2001-02-03 04:05:06' /data/d/one /data/d /data")
	r := s.ends(t, []int{0}, "backup", "create", "--volume", "plain", "--agent", "never", "--progress", "none")
	if !strings.Contains(r.out+r.err, "was copied by the engine, without extended attributes") {
		t.Errorf("what was not kept is not told: %s%s", r.out, r.err)
	}
	s.ok(t, "backup", "restore", "latest:volume/plain", "--to-volume", "plain2", "--agent", "never", "--progress", "none")
	mountpoint := func(name string) string {
		return s.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", name)
	}
	was, is := tree(t, mountpoint("plain")), tree(t, mountpoint("plain2"))
	for path, n := range was {
		n.Nsec = 0       // of the symlink and the fifo
		if path == "." { // its time is not kept, which the restore says
			n.Sec, n.Nsec = is[path].Sec, is[path].Nsec
		}
		was[path] = n
	}
	same(t, "copied by the engine", was, is)
	r = s.ends(t, []int{1}, "backup", "restore", "latest:volume/plain", "--agent", "never", "--progress", "none")
	if !strings.Contains(r.err, "not empty") {
		t.Errorf("a volume with data: %s", r.err)
	}
	s.noHelpers(t)
}

// emptied removes what is in a folder, and leaves the folder.
func emptied(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	if err != nil {
		t.Fatal(err)
	}
}
