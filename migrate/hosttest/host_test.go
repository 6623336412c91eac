//go:build integration

package hosttest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// patience is how long anything may take before a test gives up.
const patience = 3 * time.Minute

// host is a host with an engine, davit, and things to lose.
type host struct {
	*enginetest.Host
	t testing.TB
}

// buildDavit makes the program once for all tests, unless DAVIT_BINARY names one.
var buildDavit = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("DAVIT_BINARY"); given != "" {
		return given, nil
	}
	dir, err := os.MkdirTemp("", "davit-hosttest-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "davit")
	build := exec.Command("go", "build", "-o", bin, "davit/cmd/davit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build davit: %w: %s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := buildDavit(); err == nil && bin != os.Getenv("DAVIT_BINARY") {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// emptyHost boots a host with davit in it; its second disk is on /mnt/disk1.
func emptyHost(t testing.TB, o enginetest.HostOptions) *host {
	t.Helper()
	if o.Disks == nil {
		o.Disks = []string{"ext4:4G"}
	}
	bin, err := buildDavit()
	if err != nil {
		t.Fatal(err)
	}
	h := &host{enginetest.StartHostWith(t, o), t}
	h.Put(t, bin, "/usr/local/bin/davit")
	return h
}

// fullHost is emptyHost with everything that testdata/populate.sh makes.
func fullHost(t *testing.T, o enginetest.HostOptions) *host {
	t.Helper()
	h := emptyHost(t, o)
	h.populate()
	return h
}

func (h *host) populate() {
	h.t.Helper()
	h.Put(h.t, "testdata/populate.sh", "/root/populate.sh")
	h.must("sh /root/populate.sh")
	h.lines(3)
}

// must runs a line of shell in the host and returns what it prints.
func (h *host) must(line string) string {
	h.t.Helper()
	return strings.TrimSuffix(h.Must(h.t, "sh", "-c", line), "\n")
}

// davit runs davit in the host; it must end with the exit code. Both outputs are returned.
func (h *host) davit(code int, args string) (out, err string) {
	h.t.Helper()
	out, err, got := h.Run(h.t, "sh", "-c", "davit "+args)
	if got != code {
		h.t.Fatalf("davit %s: exit code %d, want %d\n%s%s\n%s", args, got, code, out, err, h.journal())
	}
	return out, err
}

func (h *host) journal() string {
	out, _, _ := h.Run(h.t, "sh", "-c", "journalctl -q --no-pager -o cat -n 25 -u davit-migrate; journalctl -q --no-pager -o cat -p warning -n 6 -u docker")
	return out
}

// waitFor asks until a line of shell succeeds.
func (h *host) waitFor(what, line string) {
	h.t.Helper()
	end := time.Now().Add(patience)
	for {
		out, errs, code := h.Run(h.t, "sh", "-c", line)
		if code == 0 {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s: not in time: %s: %s%s\n%s", what, line, out, errs, h.journal())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// lines waits until the writer has written n more lines, and checks that none is missing.
func (h *host) lines(n int) int {
	h.t.Helper()
	before := h.count()
	h.waitFor("the writer writes", fmt.Sprintf(`[ "$(docker exec writer sh -c 'wc -l < /log/log')" -gt %d ]`, before+n))
	h.must(`docker exec writer cat /log/log | awk 'NR != $1 {print "line " NR " is " $1; exit 1}'`)
	return h.count()
}

// count is how many lines the writer has written for certain: the last may be on its way.
func (h *host) count() int {
	var n int
	fmt.Sscan(h.must(`docker exec writer sh -c 'wc -l < /log/log' 2> /dev/null || echo 0`), &n)
	return n - 1
}

// inventory is what docker's client says there is.
func (h *host) inventory() string {
	h.t.Helper()
	return h.must(`docker image ls -a --no-trunc --format 'image {{.ID}} {{.Repository}}:{{.Tag}}' | sort
docker ps -aq --no-trunc | xargs docker inspect -f 'container {{.Name}} {{.Id}} {{.Image}} {{.State.Status}} {{.HostConfig.RestartPolicy}}' | sort
docker volume ls -q | xargs docker volume inspect -f 'volume {{.Name}} {{.Driver}} {{.Labels}}' | sort
docker network ls --no-trunc --format '{{.Name}} {{.ID}} {{.Driver}}' | sed 's/^bridge [^ ]*/bridge/' | sort`)
}

// settled waits until containers that were just started are seen to run.
func (h *host) settled(want string) {
	h.t.Helper()
	end := time.Now().Add(patience)
	for {
		got := h.inventory()
		if got == want {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("the inventory differs:\n%s\n%s", difference(got, want), h.journal())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// difference shows the lines that only one of two texts has.
func difference(got, want string) string {
	var out []string
	for _, side := range [][3]string{{"is", got, want}, {"was", want, got}} {
		for _, line := range strings.Split(side[1], "\n") {
			if !strings.Contains(side[2]+"\n", line+"\n") {
				out = append(out, side[0]+": "+line)
			}
		}
	}
	return strings.Join(out, "\n")
}

// works checks the engine as its users see it: the port answers, layers show what they should, the writer has lost no
// line it had written before.
func (h *host) works(lines int) {
	h.t.Helper()
	h.waitFor("the port answers", "busybox wget -qO- http://127.0.0.1:8080/new | grep -qx new")
	if n := h.lines(3); n < lines {
		h.t.Errorf("the writer's log has %d lines and had %d", n, lines)
	}
	got := h.must(`docker run --rm --network none layers:b sh -c 'ls / | grep -c hard; ls /dir /opaque; stat -c %h /hard2; stat -c %Y.%u.%a /dir/2; stat -c %u.%a /setuid; cat /opaque/new'`)
	if want := "2\n/dir:\n2\n3\nsub\n\n/opaque:\nnew\n2\n981173106.0.644\n0.4755\nnew"; got != want {
		h.t.Errorf("a new container of layers:b shows\n%s\nwant\n%s", got, want)
	}
	got = h.must(`docker exec onfailure sh -c 'cat /files/b /written; stat -c "%h %b" /files/a /files/sparse; ls /dir; stat -c %a /files/deep'`)
	if want := "data\nlayer\n2 8\n1 8\n2\nsub\n3777"; got != want {
		h.t.Errorf("container onfailure shows\n%s\nwant\n%s", got, want)
	}
}

// special counts what a copy loses that does not know its job: whiteouts, opaque folders, capabilities. The kernel's own
// whiteouts, in the work folders of what is mounted, come and go.
func (h *host) special(root string) string {
	h.t.Helper()
	return h.must(fmt.Sprintf(`cd %s && find . -path '*/work/*' -prune -o -type c -print | wc -l; getfattr -R -h -n trusted.overlay.opaque --absolute-names . 2> /dev/null | grep -c '="y"'
find . -name capable -exec getcap {} + | sed 's/.* //' | sort | uniq -c; find . -type f -links +1 -name 'hard*' | wc -l; find . -name sparse -exec stat -c '%%s %%b' {} +`, root))
}

// boots cuts the power, boots the host again and waits for its engine and for what undoes or ends a migration at boot.
// Then everything is started that ran before: at a boot the engine starts what has a policy.
func (h *host) boots() {
	h.t.Helper()
	h.PowerCut(h.t)
	h.Boot(h.t)
	h.waitFor("the engine answers", "docker info > /dev/null")
	h.waitFor("the recovery has ended", "! systemctl is-active -q davit-migrate-recover.service && ! systemctl list-jobs | grep -q davit")
	h.must("docker start always unless onfailure plain paused web writer $(docker ps -aq -f name=^pg$) > /dev/null; docker unpause paused > /dev/null 2>&1; docker pause paused > /dev/null; docker stop stopped > /dev/null")
}

// root is where the engine works now.
func (h *host) root() string {
	h.t.Helper()
	return h.must("docker info -f '{{.DockerRootDir}}'")
}

// status is what `davit migrate status` says, whatever its exit code.
func (h *host) status() (text string, code int) {
	out, err, code := h.Run(h.t, "davit", "migrate", "status")
	return out + err, code
}

// state reads a few words of the migration's journal.
func (h *host) state() (step, outcome string) {
	data, err := os.ReadFile(h.Root(h.t) + "/var/lib/davit/migrate/journal.json")
	if err != nil {
		return "", ""
	}
	var s struct{ Step, Outcome string }
	if err := json.Unmarshal(data, &s); err != nil {
		h.t.Errorf("the journal is no JSON: %v", err)
	}
	return s.Step, s.Outcome
}
