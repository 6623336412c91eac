package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// Every line of testdata/docker/*.txt does the same with docker's client of 28.5 and with davit, each on an engine of
// its own: standard output, exit code, and what the engine has in the end. testdata/docker/README tells how the lines
// are written. Every file runs on one engine always, and on both in make integration.
func TestDockerLines(t *testing.T) {
	for version, names := range map[string][]string{
		"28.5":  {"containers", "run", "prune"},
		"20.10": {"images", "volumes", "networks", "system", "lines", "prune"},
	} {
		t.Run(version, func(t *testing.T) {
			files, err := filepath.Glob("../../testdata/docker/*.txt")
			if err != nil || len(files) == 0 {
				t.Fatalf("no tables of lines: %v", err)
			}
			both := newSides(t, version)
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".txt")
				if everything() || slices.Contains(names, name) {
					t.Run(name, func(t *testing.T) { both.table(t, file, version) })
				}
			}
		})
	}
}

// everything is asked for by make integration.
func everything() bool { return enginetest.Integration || os.Getenv("DAVIT_TEST_ALL") != "" }

// side is one client with its engine.
type side struct {
	name    string
	engine  *enginetest.Dockerd
	dir     string // where its lines run
	program string // folder with a program named davit
}

type sides struct{ docker, davit *side }

func newSides(t *testing.T, version string) *sides {
	client := dockerClient(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	both := &sides{docker: &side{name: "docker"}, davit: &side{name: "davit"}}
	for s, program := range map[*side]string{both.docker: client, both.davit: self} {
		s.engine = enginetest.StartDockerd(t, enginetest.DockerdOptions{Version: version})
		s.dir, s.program = t.TempDir(), t.TempDir()
		if err := os.Symlink(program, filepath.Join(s.program, "davit")); err != nil {
			t.Fatal(err)
		}
		s.engine.MakeImage(t, "base:1", enginetest.File{Name: "etc/motd", Content: "hello\n"},
			enginetest.File{Name: "etc/passwd", Content: "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"},
			enginetest.File{Name: "etc/group", Content: "root:x:0:\naudio:x:29:\nnobody:x:65534:\n"})
		s.engine.CLI(t, "save", "--output", filepath.Join(s.program, "base.tar"), "base:1")
	}
	return both
}

// dockerClient returns docker's client of 28.5.
func dockerClient(t testing.TB) string {
	t.Helper()
	enginetest.NeedRoot(t)
	cmd := exec.Command("../../scripts/engines.sh", "28.5")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("provide docker's client: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "docker")
}

// line is one entry of a table.
type line struct {
	number int
	tags   []string
	text   string
}

func (l line) has(tag string) bool { return slices.Contains(l.tags, tag) }

// exitCode returns the exit code that a tag demands.
func (l line) exitCode() (code int, demanded bool) {
	for _, tag := range l.tags {
		if code, err := strconv.Atoi(tag[1:]); err == nil {
			return code, true
		}
	}
	return 0, false
}

// readTable reads a table of lines.
func readTable(t *testing.T, file string) []line {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []line
	scanner := bufio.NewScanner(f)
	for number := 1; scanner.Scan(); number++ {
		text := strings.TrimSpace(scanner.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		l := line{number: number}
		for strings.HasPrefix(text, "@") {
			tag, rest, _ := strings.Cut(text, " ")
			l.tags, text = append(l.tags, tag), strings.TrimSpace(rest)
		}
		l.text = text
		lines = append(lines, l)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func (b *sides) table(t *testing.T, file, version string) {
	b.both(func(s *side) answer { return s.run("docker load -qi " + filepath.Join(s.program, "base.tar")) })
	for _, l := range readTable(t, file) {
		if l.has("@slow") && !everything() || l.has("@28.5") && version != "28.5" || l.has("@20.10") && version != "20.10" {
			continue
		}
		docker, davit := b.both(func(s *side) answer { return s.run(l.text) })
		where := fmt.Sprintf("%s:%d: %s", filepath.Base(file), l.number, l.text)
		if l.has("@numbers") {
			docker.out, davit.out = numbers.ReplaceAllString(docker.out, "N"), numbers.ReplaceAllString(davit.out, "N")
		}
		if l.has("@sort") {
			docker.out, davit.out = sorted(docker.out), sorted(davit.out)
		}
		if docker.code != davit.code && !l.has("@differ") {
			t.Errorf("%s\nexit code: docker %d, davit %d\ndocker says: %s\ndavit says: %s", where, docker.code, davit.code, docker.err, davit.err)
		}
		if docker.out != davit.out && !l.has("@differ") {
			t.Errorf("%s\ndocker prints:\n%s\ndavit prints:\n%s\ndocker says: %s\ndavit says: %s", where, docker.out, davit.out, docker.err, davit.err)
		}
		if want, demanded := l.exitCode(); demanded && davit.code != want {
			t.Errorf("%s\nexit code %d, want %d: %s", where, davit.code, want, davit.err)
		}
		if l.has("@ok") && davit.code != 0 {
			t.Errorf("%s\nexit code %d: %s", where, davit.code, davit.err)
		}
		if l.has("@fail") && davit.code == 0 {
			t.Errorf("%s\nexit code 0: %s", where, davit.out)
		}
	}
	docker, davit := b.both(func(s *side) answer { return s.run(stateOfEngine) })
	if docker.out != davit.out {
		t.Errorf("%s: the engines differ in the end\n%s", file, firstDifference(docker.out, davit.out))
	}
	b.both(func(s *side) answer { return s.run(emptyEngine) })
}

// both does something on both sides at a time.
func (b *sides) both(do func(*side) answer) (docker, davit answer) {
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		docker = do(b.docker)
	}()
	davit = do(b.davit)
	wait.Wait()
	return docker, davit
}

// These are run by docker's client on both sides.
const (
	stateOfEngine = `c=$(docker ps -aq --no-trunc); [ -z "$c" ] || docker inspect --format '{{.Name}} {{json .Config}} {{json .HostConfig}} {{.State.Status}} {{.State.ExitCode}} {{range $n, $v := .NetworkSettings.Networks}}{{$n}} {{json $v.IPAMConfig}} {{json $v.Links}}{{end}}' $c | sort
[ -z "$c" ] || docker inspect --format '{{range .Mounts}}{{printf "%s %s\n" $.Name (json .)}}{{end}}' $c | sort
docker images -a --format '{{.Repository}}:{{.Tag}} {{.Size}}' | sort
i=$(docker images -q | sort -u); [ -z "$i" ] || docker inspect --format '{{json .RepoTags}} {{.Comment}} {{.Author}} {{json .Config}} {{.Os}} {{.Architecture}} {{len .RootFS.Layers}}' $i | sort
docker volume ls -q | while read -r v; do docker volume inspect --format '{{json .Labels}} {{json .Options}} {{.Driver}}' $v; done | sort
docker network ls -q | while read -r n; do docker network inspect --format '{{.Name}} {{.Driver}} {{json .Options}} {{json .Labels}} {{.Internal}} {{.Attachable}} {{.EnableIPv6}} {{json .IPAM.Options}} {{len .IPAM.Config}}' $n; done | sort`
	emptyEngine = `c=$(docker ps -aq); [ -z "$c" ] || { docker unpause $c; docker rm -fv $c; }
docker images --format '{{.Repository}}:{{.Tag}}' | grep -v -e '^base:1$' -e '<none>' | xargs -r docker rmi -f
docker images -qf dangling=true | xargs -r docker rmi -f
docker volume ls -q | xargs -r docker volume rm; docker network ls -qf type=custom | xargs -r docker network rm; rm -rf ./*`
)

// answer is what a line did, with what cannot be the same on two engines normalised.
type answer struct {
	out, err string
	code     int
}

const lineTime = 3 * time.Minute

func (s *side) run(text string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), lineTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", text)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.dir, s.environ(), time.Second
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	a := answer{}
	var exit *exec.ExitError
	if failed := cmd.Run(); errors.As(failed, &exit) {
		a.code = exit.ExitCode()
	} else if failed != nil {
		a.code = -1
		err.WriteString(failed.Error())
	}
	a.out, a.err = s.normal(out.String()), s.normal(err.String())
	return a
}

func (s *side) environ() []string {
	return []string{
		"PATH=" + s.program + ":" + s.engine.BinDir + ":/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + s.dir, "DOCKER_CONFIG=" + filepath.Join(s.dir, ".docker"), "DOCKER_HOST=" + s.engine.Host,
		"TZ=UTC", "LC_ALL=C.UTF-8", "NETNS=" + s.engine.Netns,
		"DAVIT_STATE_DIR=" + filepath.Join(s.dir, ".state"),
	}
}

// normal replaces what differs from engine to engine and from second to second.
func (s *side) normal(text string) string {
	text = strings.NewReplacer(s.engine.Dir, "ENGINE", s.engine.Netns, "NETNS", s.dir, "DIR").Replace(text)
	for _, n := range normals {
		text = n.find.ReplaceAllString(text, n.put)
	}
	return text
}

var normals = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b`), "MAC"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:?\d\d)?( ?UTC|Z)?`), "TIME"},
	{regexp.MustCompile(`(?i)(less than a|about an?|\d+) (second|minute|hour)s?( ago)?`), "AGO"},
	{regexp.MustCompile(`\b1[789]\d{8}(\.\d+|\d{9})?\b`), "UNIX"},
	{regexp.MustCompile(`"(Pid|PID)": ?\d+`), "PID"},
	{regexp.MustCompile(` +`), " "},
}

// numbers are process ids and times of processes.
var numbers = regexp.MustCompile(`\d+`)

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// firstDifference shows the first lines of two texts that are not the same.
func firstDifference(docker, davit string) string {
	a, b := strings.Split(docker, "\n"), strings.Split(davit, "\n")
	for i := range max(len(a), len(b)) {
		one, other := "", ""
		if i < len(a) {
			one = a[i]
		}
		if i < len(b) {
			other = b[i]
		}
		if one != other {
			from := 0
			for from < min(len(one), len(other)) && one[from] == other[from] {
				from++
			}
			from = max(0, from-60)
			return fmt.Sprintf("line %d, column %d\ndocker: %s\ndavit:  %s", i+1, from, one[from:], other[from:])
		}
	}
	return ""
}
