package main

import (
	"os/exec"
	"strings"
	"testing"
)

// arrows returns what the packages below a folder may import of this module, beside packages of their own folder: cmd
// stands on everything, the subsystems stand on the engine and not on each other, the engine stands on nothing.
func arrows() map[string][]string {
	return map[string][]string{
		"cmd":      {"backup", "migrate", "diskscan", "prune", "engine"},
		"backup":   {"engine"},
		"migrate":  {"engine"},
		"diskscan": {"engine"},
		"prune":    {"backup", "diskscan", "engine"},
		"engine":   {},
		"scripts":  {},
	}
}

// homes returns the only packages that may import a library.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/docker/docker/client":    {"davit/engine"},
		"github.com/docker/docker/api/types": {"davit/cmd/davit", "davit/engine"},
		"github.com/docker/docker/pkg":       {"davit/cmd/davit", "davit/engine"},
		"github.com/docker/cli/cli/command":  {"davit/cmd/davit"},
		"github.com/spf13/cobra":             {"davit/cmd/davit/dockercmd"},
		"github.com/urfave/cli":              {"davit/cmd/davit"},
		"github.com/schollz/progressbar":     {"davit/cmd/davit"},
		"charm.land/bubbletea":               {"davit/cmd/davit"},
		"github.com/coreos/go-systemd":       {"davit/engine/systemd"},
		"github.com/godbus/dbus":             {"davit/engine/systemd"},
		"filippo.io/age":                     {"davit/backup"},
		"github.com/minio/minio-go":          {"davit/backup"},
		"github.com/pkg/sftp":                {"davit/backup"},
		"oras.land/oras-go":                  {"davit/backup"},
		"github.com/nicholas-fedor/shoutrrr": {"davit/backup"},
		"github.com/rogpeppe/go-internal":    {},
		"github.com/creack/pty":              {},
		"davit/engine/enginetest":            {},
	}
}

// What imports what is as the design of the house says: see arrows and homes. Tests may import more.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-tags", "integration soak", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "davit/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 15 {
		t.Fatalf("there are only %d packages: %s", len(lines), out)
	}
	for _, line := range lines {
		path, imports, _ := strings.Cut(line, " ")
		for _, wrong := range wrongImports(path, strings.Fields(imports)) {
			t.Errorf("%s must not import %s", path, wrong)
		}
	}
}

// The check finds what it is there for.
func TestArrowsAreChecked(t *testing.T) {
	for path, bad := range map[string]string{
		"davit/backup":              "davit/diskscan",
		"davit/engine/guard":        "davit/backup/repo",
		"davit/prune":               "davit/migrate",
		"davit/diskscan":            "davit/cmd/davit",
		"davit/cmd/davit/dockercmd": "github.com/docker/docker/client",
		"davit/engine/service":      "github.com/docker/docker/client",
		"davit/migrate":             "github.com/coreos/go-systemd/v22/dbus",
		"davit/engine":              "davit/engine/enginetest",
		"davit/nowhere":             "davit/engine",
	} {
		if wrong := wrongImports(path, []string{"fmt", bad}); len(wrong) != 1 || wrong[0] != bad {
			t.Errorf("%s importing %s: found %q", path, bad, wrong)
		}
	}
}

// wrongImports returns those of a package's imports that it must not have.
func wrongImports(path string, imports []string) []string {
	top := topFolder(path)
	var wrong []string
	for _, name := range imports {
		ok := true
		if to := topFolder(name); to != "" && to != top {
			ok = within(to, arrows()[top])
		}
		for library, allowed := range homes() {
			if !within(name, []string{library}) || within(path, []string{library}) {
				continue
			}
			// The engine's client has one home, and not the packages below it.
			exact := library == "github.com/docker/docker/client"
			ok = ok && (exact && path == allowed[0] || !exact && within(path, allowed))
		}
		if !ok {
			wrong = append(wrong, name)
		}
	}
	return wrong
}

// topFolder returns the first folder of one of our own packages, "" for any other.
func topFolder(path string) string {
	rest, ours := strings.CutPrefix(path, "davit/")
	if !ours {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// within reports whether a path is one of the folders or below one.
func within(path string, folders []string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}
