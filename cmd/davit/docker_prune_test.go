package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"davit/engine/enginetest"
)

// requests are those that went to an engine through a proxy.
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (r *requests) matching(part string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, s := range r.seen {
		if strings.Contains(s, part) {
			found = append(found, s)
		}
	}
	return found
}

// watched lets the lines of h go to the engine through a proxy that notes every request.
func (h *dockerHost) watched(t *testing.T) (*dockerHost, *requests) {
	t.Helper()
	seen := &requests{}
	socket := strings.TrimPrefix(h.engine.Host, "unix://")
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	}
	endpoint := enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.mu.Lock()
		seen.seen = append(seen.seen, r.Method+" "+r.URL.String())
		seen.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	engine := *h.engine
	engine.Host = endpoint
	other := *h.side
	other.engine = &engine
	return &dockerHost{side: &other, t: t}, seen
}

// The prunes choose by themselves: the engine's own prunes are never asked, nothing is forced, and the lists with
// sizes and --dry-run tell before.
func TestDockerPruneByID(t *testing.T) {
	engines := map[string]enginetest.DockerdOptions{
		"28.5 containerd": {Version: "28.5", ContainerdStore: true},
		"20.10":           {Version: "20.10"},
	}
	if everything() {
		engines["28.5"] = enginetest.DockerdOptions{Version: "28.5"} // where the lines of prune.txt run always
	}
	for name, o := range engines {
		t.Run(name, func(t *testing.T) { pruneEverything(t, newDockerHost(t, o)) })
	}
}

func pruneEverything(t *testing.T, all *dockerHost) {
	h, seen := all.watched(t)
	h.must("davit run -d --name up base:1")
	h.must("davit volume create named; davit run --name old -v /anonymous -v named:/n base:1 sh -c 'head -c 20000 /dev/zero > /z; head -c 3000 /dev/zero > /anonymous/f'")
	h.must(`davit inspect -f '{{range .Mounts}}{{if eq .Destination "/anonymous"}}{{.Name}}{{end}}{{end}}' old > anonymous`)
	h.must("davit commit old app:1 && davit tag app:1 app:2 && davit network create unused")
	h.must("davit run -d --name user app:1 sh -c 'trap exit TERM; while :; do sleep 0.2; done'")

	before := h.must(stateOfEngine)
	planned := h.must("davit system prune -a --volumes --dry-run")
	for _, want := range []string{"old", "unused", "kB", "In all"} {
		if !strings.Contains(planned, want) {
			t.Errorf("--dry-run does not tell %q: %s", want, planned)
		}
	}
	if after := h.must(stateOfEngine); after != before {
		t.Errorf("--dry-run changed the engine\n%s", firstDifference(before, after))
	}
	if changing := append(seen.matching("DELETE "), seen.matching("prune")...); len(changing) > 0 {
		t.Errorf("--dry-run asked the engine to %q", changing)
	}

	h.must("davit system prune -af --volumes")
	left := h.must("davit ps -a --format '{{.Names}}' | sort; davit images --format '{{.Repository}}:{{.Tag}}' | sort; davit network ls -qf type=custom; davit volume ls -q | grep named")
	if want := "up\nuser\napp:1\napp:2\nbase:1\nnamed"; left != want {
		t.Errorf("after system prune: %q, want %q", left, want)
	}
	if stays := h.run("davit volume inspect $(cat anonymous)").code == 0; stays != strings.HasPrefix(h.engine.Version, "20.") {
		t.Errorf("the anonymous volume is still there: %t; it can be told on newer engines only", stays)
	}
	h.must("davit rm -f user")
	h.must("davit image prune -af")
	if got := h.must("davit images --format '{{.Repository}}:{{.Tag}}'"); got != "base:1" {
		t.Errorf("after image prune -a: %q", got)
	}
	h.must("davit volume prune -f")
	if got := h.must("davit volume ls -q | grep -c named"); got != "1" {
		t.Error("volume prune took a named volume")
	}
	h.must("davit volume prune -af")
	if got := h.must("davit volume ls -q"); got != "" {
		t.Errorf("volume prune -a left %q", got)
	}
	for _, kind := range []string{"containers", "images", "volumes", "networks"} {
		if asked := seen.matching("/" + kind + "/prune"); len(asked) > 0 {
			t.Errorf("the engine's own prune was asked: %q", asked)
		}
	}
	if forced := seen.matching("force=1"); len(forced) != 1 { // the rm -f above
		t.Errorf("forced: %q", forced)
	}
	h.must("davit rm -f up")
}

// What changed between the list and the answer stays: a tag that went to another image, a volume that was made anew, a
// container that was started.
func TestDockerPruneChanged(t *testing.T) {
	h := newDockerHost(t, enginetest.DockerdOptions{Version: "28.5"})
	answerAfter := func(t *testing.T, prune, meanwhile string) string {
		h := h.in(t)
		x := h.terminal(prune)
		x.expect("[y/N] ")
		h.must(meanwhile)
		x.send("y\n")
		if code := x.code(); code != 0 {
			t.Errorf("%s: exit code %d", prune, code)
		}
		return x.screen()
	}
	h.must("davit create --name keep base:1")
	h.must("davit run --name mm base:1 touch /x; davit commit mm app:1; davit commit mm app:2; davit rm mm; davit tag app:1 spare:1")
	if s := answerAfter(t, "davit image prune -a --filter label!=none", "davit tag app:2 app:1"); !strings.Contains(s, "it changed") {
		t.Errorf("nothing is said of the tag that moved: %s", s)
	}
	if got := h.must("davit images -q app:1"); got == "" {
		t.Error("the tag that moved is gone")
	}
	h.must("davit volume create vv && davit run --rm -v vv:/v base:1 touch /v/old")
	answerAfter(t, "davit volume prune -a", "davit volume rm vv && sleep 1.1 && davit volume create vv && davit run --rm -v vv:/v base:1 touch /v/new")
	if got := h.must("davit run --rm -v vv:/v base:1 ls /v"); got != "new" {
		t.Errorf("the new volume holds %q", got)
	}
	answerAfter(t, "davit container prune", "davit start keep")
	if got := h.must("davit inspect -f '{{.State.Running}}' keep"); got != "true" {
		t.Error("the container that was started is gone")
	}
}

// Archives are packed by their names and unpacked by their content, also by an engine that cannot; a save that does
// not succeed leaves the older file as it is, and nothing else.
func TestDockerSaveFiles(t *testing.T) {
	h := newDockerHost(t, enginetest.DockerdOptions{Version: "20.10"})
	id := h.must("davit images -q --no-trunc base:1 | sha256sum")
	for file, magic := range map[string]string{"a.tar": "62617365", "a.tar.gz": "1f8b", "a.tgz": "1f8b", "a.tar.zst": "28b52ffd"} {
		h.must("davit save base:1 -o " + file)
		head := h.must("head -c 4 " + file + " | od -An -tx1 | tr -d ' '")
		if file != "a.tar" && !strings.HasPrefix(head, magic) {
			t.Errorf("%s begins with %s, want %s", file, head, magic)
		}
		h.must("davit rmi base:1 && davit load -i " + file)
		if got := h.must("davit images -q --no-trunc base:1 | sha256sum"); got != id {
			t.Errorf("%s brings another image", file)
		}
	}
	h.must("xz -k a.tar; bzip2 -k a.tar; for f in a.tar.xz a.tar.bz2 a.tar.zst; do davit rmi base:1 && davit load < $f || exit 1; done")
	h.must("mv a.tar.zst renamed; davit rmi base:1; davit load -i renamed")

	spool := filepath.Join(h.engine.DataRoot, "tmp")
	h.must("mkdir -p " + spool + " && mount -t tmpfs -o size=64k tmpfs " + spool)
	a := h.run("davit save base:1 -o full.tar; code=$?; ls full.tar; exit $code")
	h.must("umount " + spool)
	if a.code != 1 || !strings.Contains(a.err, "has room for") || a.out != "" {
		t.Errorf("save with a full spool: exit code %d, %s%s", a.code, a.out, a.err)
	}

	h.must("mkdir d; echo older > d/f.tar")
	if a := h.run("davit save -o d/f.tar nothing"); a.code != 1 {
		t.Errorf("save of nothing: exit code %d", a.code)
	}
	cut := enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/images/get") {
			data, err := os.ReadFile(filepath.Join(h.dir, "a.tar"))
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(data[:len(data)/2])
		}
	}))
	stalls, over := make(chan struct{}, 2), make(chan struct{})
	t.Cleanup(func() { close(over) })
	stalling := enginetest.FakeAPI(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/images/get") {
			_, _ = w.Write(make([]byte, 1<<20))
			_ = http.NewResponseController(w).Flush()
			stalls <- struct{}{}
			<-over
		}
	}))
	for _, file := range []string{"d/f.tar", "d/new.tar.gz"} {
		x := h.terminal("davit -H " + stalling + " save -o " + file + " base:1")
		<-stalls
		x.send(ctrlC)
		if code := x.code(); code != 130 {
			t.Errorf("save that is interrupted: exit code %d: %s", code, x.screen())
		}
	}
	for _, file := range []string{"d/f.tar", "d/new.tar.zst"} {
		if a := h.run("davit -H " + cut + " save -o " + file + " base:1"); a.code != 1 {
			t.Errorf("save of a stream that was cut short: exit code %d: %s", a.code, a.err)
		}
	}
	if got := h.must("ls -A d; cat d/f.tar"); got != "f.tar\nolder" {
		t.Errorf("after saves that did not succeed: %q", got)
	}
}
