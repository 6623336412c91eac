package backup

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

const (
	testDir    = fs.ModeDir | 0o755
	testFile   = fs.FileMode(0o644)
	testSocket = fs.ModeSocket | 0o660
)

// Every rule leaves out what it names, says so, and only some give way to --include.
func TestBindRules(t *testing.T) {
	host := map[string]probed{
		"/srv/www": {mode: testDir}, "/srv/nginx.conf": {mode: testFile}, "/etc": {mode: testDir},
		"/etc/app": {mode: testDir}, "/home": {mode: testDir}, "/home/ann": {mode: testDir},
		"/mnt/nas": {mode: testDir, fsType: "nfs", remote: true}, "/srv/app.sock": {mode: testSocket},
		"/data": {mode: testDir}, "/data/docker": {mode: testDir}, "/data/docker/volumes/x": {mode: testDir},
		"/backup": {mode: testDir}, "/backup/repo": {mode: testDir}, "/backup/repo/blobs": {mode: testDir},
		"/var/lib/containerd/io": {mode: testDir}, "/var/lib": {mode: testDir}, "/var/lib/davit/x": {mode: testDir},
		"/datadocker": {mode: testDir}, "/var": {mode: testDir},
	}
	for _, tc := range []struct {
		source   string
		reason   string // "" is saved
		included string // reason with --include; "" is saved then
	}{
		{source: "/srv/www"},
		{source: "/srv/nginx.conf"},
		{source: "/etc/app"},
		{source: "/home/ann"},
		{source: "/datadocker"},
		{source: "/", reason: "whole file system", included: "whole file system"},
		{source: "/proc", reason: "/proc", included: "/proc"},
		{source: "/sys/fs/cgroup", reason: "/sys", included: "/sys"},
		{source: "/dev/shm", reason: "/dev", included: "/dev"},
		{source: "/run/docker.sock", reason: "/run", included: "/run"},
		{source: "/srv/engine.sock", reason: "engine's socket", included: "engine's socket"},
		{source: "/srv/app.sock", reason: "is a socket", included: "is a socket"},
		{source: "/srv/gone", reason: "does not exist", included: "does not exist"},
		{source: "/data/docker", reason: "data-root", included: "data-root"},
		{source: "/data", reason: "holds the engine's data-root"},
		{source: "/data/docker/volumes/x", reason: "lies in the engine's data-root"},
		{source: "/var/lib/containerd/io", reason: "lies in containerd's root"},
		{source: "/var/lib", reason: "containerd's root"},
		{source: "/backup/repo", reason: "repository", included: "repository"},
		{source: "/backup", reason: "repository", included: "repository"},
		{source: "/backup/repo/blobs", reason: "repository", included: "repository"},
		{source: "/var/lib/davit/x", reason: "davit's own state"},
		{source: "/etc", reason: "system folder"},
		{source: "/home", reason: "system folder"},
		{source: "/var", reason: "containerd's root"},
		{source: "/mnt/nas", reason: "network or FUSE file system (nfs)"},
	} {
		rules := bindRules{
			dataRoot: "/data/docker", containerd: "/var/lib/containerd", repository: "/backup/repo",
			state: []string{"/var/lib/davit"}, sockets: []string{"/srv/engine.sock"},
			probe: func(path string) (probed, error) {
				if p, ok := host[path]; ok {
					return p, nil
				}
				return probed{}, fs.ErrNotExist
			},
		}
		check := func(how, want string) {
			got, _ := rules.judge(tc.source)
			if (want == "") != (got.reason == "") || !strings.Contains(got.reason, want) {
				t.Errorf("%s%s: %q, want %q", tc.source, how, got.reason, want)
			}
		}
		check("", tc.reason)
		rules.include = []string{tc.source}
		check(" with --include", tc.included)
	}
}

// A rule that --include overrides says so.
func TestBindRulesNameTheWayOut(t *testing.T) {
	rules := bindRules{probe: func(string) (probed, error) { return probed{mode: testDir}, nil }}
	if v, _ := rules.judge("/etc"); v.hint != "--include /etc saves it all the same" {
		t.Errorf("hint of /etc is %q", v.hint)
	}
	if v, _ := rules.judge("/proc"); v.hint != "" {
		t.Errorf("hint of /proc is %q, though nothing overrides that rule", v.hint)
	}
}

func TestBindRulesTellReadErrors(t *testing.T) {
	rules := bindRules{probe: func(string) (probed, error) { return probed{}, errors.New("stale handle") }}
	if v, _ := rules.judge("/srv/x"); v.reason != "stale handle" {
		t.Errorf("reason is %q", v.reason)
	}
}

// A folder below another saved one is saved with it, unless the walk from above does not reach it.
func TestDropCovered(t *testing.T) {
	sources := map[string]probed{
		"/srv":          {mode: testDir, mountID: 1, trusted: true},
		"/srv/www":      {mode: testDir, mountID: 1, trusted: true},
		"/srv/disk":     {mode: testDir, mountID: 2, trusted: true},
		"/srv/tmp":      {mode: testDir, mountID: 3},
		"/srv/wanted":   {mode: testDir, mountID: 1, trusted: true},
		"/srvother":     {mode: testDir, mountID: 1, trusted: true},
		"/opt/app/data": {mode: testDir, mountID: 1, trusted: true},
		"/opt/a.conf":   {mode: testFile, mountID: 1, trusted: true},
	}
	got := dropCovered(sources, []string{"/opt/app"}, []string{"/srv/wanted"})
	want := map[string]string{"/srv/www": "/srv", "/srv/disk": "/srv", "/opt/app/data": "/opt/app"}
	if len(got) != len(want) {
		t.Errorf("covered: %v, want %v", got, want)
	}
	for source, by := range want {
		if got[source] != by {
			t.Errorf("%s is covered by %q, want %q", source, got[source], by)
		}
	}
}

func TestExcludePatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.tmp", "a.tmp", true}, {"*.tmp", "deep/er/a.tmp", true}, {"*.tmp", "a.tmp.keep", false},
		{"cache", "x/cache", true}, {"cache/", "x/cache", true}, {"/cache", "cache", true}, {"/cache", "x/cache", false},
		{"a/b", "a/b", true}, {"a/b", "x/a/b", false}, {"**/a/b", "x/a/b", true}, {"**/a/b", "a/b", true},
		{"a/**/z", "a/z", true}, {"a/**/z", "a/b/c/z", true}, {"a/**/z", "a/b/c/y", false},
		{"a/*", "a/b", true}, {"a/*", "a/b/c", false}, {"log?", "log1", true}, {"[", "[", false},
	} {
		dir, name := "", tc.path
		if i := strings.LastIndexByte(tc.path, '/'); i >= 0 {
			dir, name = tc.path[:i], tc.path[i+1:]
		}
		if got := newExcludePatterns([]string{tc.pattern}).match(dir, name); got != tc.want {
			t.Errorf("pattern %q matches %q: %v, want %v", tc.pattern, tc.path, got, tc.want)
		}
	}
}
