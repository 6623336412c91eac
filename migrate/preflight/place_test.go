package preflight

import (
	"os"
	"path/filepath"
	"testing"

	"davit/engine/daemonjson"
	"davit/engine/systemd"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDataRootPlace(t *testing.T) {
	dir := t.TempDir()
	fragment := write(t, dir, "docker.service", "[Service]\nExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS\n")
	dropIn := write(t, dir, "root.conf", "# --data-root /comment\n[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// \\\n  --debug \\\n  --data-root=/flag\n")
	env := write(t, dir, "docker", "# DOCKER_OPTS=\"--data-root /no\"\nOTHER=1\nDOCKER_OPTS=\"-l info --data-root /env\"\n")
	file := write(t, dir, "daemon.json", `{"data-root": "/file/"}`)
	graph := write(t, dir, "graph.json", `{"graph": "/graph"}`)
	plain := systemd.Unit{Name: "docker.service", Fragment: fragment, EnvFiles: []string{env},
		Exec: [][]string{{"/usr/sbin/dockerd", "-H", "fd://", "$DOCKER_OPTS"}}}
	flagged := plain
	flagged.DropIns = []string{dropIn}
	flagged.Exec = [][]string{{"/usr/sbin/dockerd", "-H", "fd://", "--debug", "--data-root=/flag"}}
	for name, row := range map[string]struct {
		args []string
		unit systemd.Unit
		file string
		path string
		by   ConfiguredBy
	}{
		"default":  {[]string{"dockerd"}, plain, dir + "/none", "/var/lib/docker", ConfiguredBy{Kind: ByDefault, File: dir + "/none"}},
		"file":     {[]string{"dockerd"}, plain, file, "/file", ConfiguredBy{Kind: ByFile, File: file}},
		"graph":    {[]string{"dockerd"}, plain, graph, "/graph", ConfiguredBy{Kind: ByFile, File: graph}},
		"drop-in":  {[]string{"dockerd", "--data-root=/flag"}, flagged, dir + "/none", "/flag", ConfiguredBy{Kind: ByFlag, File: dropIn, Line: 6, Flag: "--data-root"}},
		"variable": {[]string{"dockerd", "--data-root", "/env"}, plain, dir + "/none", "/env", ConfiguredBy{Kind: ByVariable, File: env, Line: 3, Flag: "--data-root", Variable: "DOCKER_OPTS"}},
		"process":  {[]string{"dockerd", "-g", "/old"}, flagged, dir + "/none", "/old", ConfiguredBy{Kind: ByFlag, File: dropIn, Line: 6, Flag: "--data-root"}},
		"nowhere":  {[]string{"dockerd", "--graph", "/x"}, systemd.Unit{Fragment: fragment, Exec: [][]string{{"dockerd"}}}, dir + "/none", "/x", ConfiguredBy{Kind: ByProcess}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := daemonjson.Load(row.file)
			if err != nil {
				t.Fatal(err)
			}
			p := dataRootPlace(row.args, row.unit, f)
			if p.path != row.path {
				t.Errorf("path %s, want %s", p.path, row.path)
			}
			got := p.by
			got.Unit, got.Args, got.Exec = "", nil, nil
			if got.Kind != row.by.Kind || got.File != row.by.File || got.Line != row.by.Line || got.Flag != row.by.Flag || got.Variable != row.by.Variable {
				t.Errorf("%+v\nwant %+v", got, row.by)
			}
		})
	}
}

func TestContainerdPlace(t *testing.T) {
	dir := t.TempDir()
	config := write(t, dir, "config.toml", "version = 2\n# root = \"/no\"\nroot = \"/data/containerd\"\n[plugins]\nroot = \"/plugin\"\n")
	imports := write(t, dir, "imports.toml", "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n")
	for name, row := range map[string]struct {
		args    []string
		path    string
		kind    string
		line    int
		problem bool
	}{
		"default": {[]string{"containerd", "--config", dir + "/none"}, "/var/lib/containerd", ByContainerd, 0, false},
		"config":  {[]string{"containerd", "-c", config}, "/data/containerd", ByContainerd, 3, false},
		"flag":    {[]string{"containerd", "--config=" + config, "--root=/flag"}, "/flag", ByProcess, 0, false},
		"imports": {[]string{"containerd", "--config", imports}, "/var/lib/containerd", ByContainerd, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := containerdPlace(row.args, systemd.Unit{Exec: [][]string{{"containerd"}}})
			if p.path != row.path || p.by.Kind != row.kind || p.by.Line != row.line || (p.problem != "") != row.problem {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestInFstab(t *testing.T) {
	const text = "# /dev/x /mnt/a ext4 defaults 0 0\nUUID=1 /mnt/big/ xfs defaults,nofail 0 2\n/dev/y /mnt/my\\040disk ext4 noauto 0 0\n"
	for point, want := range map[string][2]bool{
		"/mnt/a": {false, false}, "/mnt/big": {true, false}, "/mnt/my disk": {true, true}, "/": {false, false},
	} {
		if found, noauto := inFstab(text, point); found != want[0] || noauto != want[1] {
			t.Errorf("%s: %v %v", point, found, noauto)
		}
	}
}
