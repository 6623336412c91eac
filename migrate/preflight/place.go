package preflight

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"davit/engine/daemonjson"
	"davit/engine/systemd"
)

// defaultDataRoot is the engine's when nothing says otherwise.
const defaultDataRoot = "/var/lib/docker"

// place is where a store is, and what says so.
type place struct {
	path    string // as written
	real    string // without symlinks
	by      ConfiguredBy
	problem string // why it cannot be told, or must not be believed
}

// dataRootPlace works out which data-root a dockerd uses that runs with these arguments and this file; file may be nil
// when it cannot be read.
func dataRootPlace(args []string, unit systemd.Unit, file *daemonjson.File) place {
	flags := daemonjson.Flags(args)
	p := place{path: defaultDataRoot}
	p.by = ConfiguredBy{Kind: ByDefault, Unit: unit.Name, Args: args, Exec: command(unit)}
	if file != nil {
		p.by.File = file.Path()
	}
	for _, key := range []string{"data-root", "graph"} {
		if v, ok := daemonjson.Value(flags, key); ok {
			p.path = filepath.Clean(v)
			p.by.findFlag(unit, "--data-root", "--graph", "-g")
			return p
		}
		if file == nil {
			continue
		}
		if v := file.String(key); v != "" {
			p.path, p.by.Kind = filepath.Clean(v), ByFile
			return p
		}
	}
	return p
}

// containerdPlace works out which root a containerd uses that runs with these arguments.
func containerdPlace(args []string, unit systemd.Unit) place {
	p := place{path: defaultContainerdRoot}
	p.by = ConfiguredBy{Kind: ByContainerd, Unit: unit.Name, Args: args, Exec: command(unit), File: defaultContainerdConfig}
	if v, ok := flagValue(args, "--config", "-config", "-c"); ok {
		p.by.File = v
	}
	if v, ok := flagValue(args, "--root", "-root"); ok {
		p.path = filepath.Clean(v)
		p.by.findFlag(unit, "--root", "-root")
		return p
	}
	text, err := os.ReadFile(p.by.File)
	if err != nil {
		return p
	}
	if v, line := topLevel(string(text), "root"); v != "" {
		p.path, p.by.Line = filepath.Clean(v), line
	}
	if v, _ := topLevel(string(text), "imports"); v != "" {
		p.problem = p.by.File + " imports other files, which may say where its data is"
	}
	return p
}

// What containerd uses when nothing says otherwise.
const (
	defaultContainerdRoot   = "/var/lib/containerd"
	defaultContainerdConfig = "/etc/containerd/config.toml"
)

// command is what a unit runs, variables as they are written.
func command(u systemd.Unit) []string {
	if len(u.Exec) == 0 {
		return nil
	}
	return u.Exec[len(u.Exec)-1]
}

// findFlag says which file has a flag that the process was started with.
func (by *ConfiguredBy) findFlag(unit systemd.Unit, names ...string) {
	by.Kind, by.File, by.Line = ByProcess, "", 0
	if by.Flag = flagIn(by.Exec, names); by.Flag != "" {
		by.Kind = ByFlag
		for _, file := range append([]string{unit.Fragment}, unit.DropIns...) {
			if line := lineOf(file, "ExecStart=", by.Flag); line > 0 { // the last one counts
				by.File, by.Line = file, line
			}
		}
		return
	}
	for _, variable := range variables(by.Exec) {
		for _, file := range append(append([]string{unit.Fragment}, unit.DropIns...), unit.EnvFiles...) {
			for _, name := range names {
				if line := lineOf(file, variable+"=", name); line > 0 {
					by.Kind, by.File, by.Line, by.Flag, by.Variable = ByVariable, file, line, name, variable
				}
			}
		}
	}
}

// flagIn finds the last of the flags in arguments, as "--name value" or "--name=value".
func flagIn(args []string, names []string) string {
	found := ""
	for _, a := range args {
		for _, n := range names {
			if a == n || strings.HasPrefix(a, n+"=") {
				found = n
			}
		}
	}
	return found
}

// flagValue is the value of a flag.
func flagValue(args []string, names ...string) (value string, ok bool) {
	for i, a := range args {
		for _, n := range names {
			if a == n && i+1 < len(args) {
				value, ok = args[i+1], true
			}
			if v, found := strings.CutPrefix(a, n+"="); found {
				value, ok = v, true
			}
		}
	}
	return value, ok
}

var variablePattern = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)

func variables(args []string) []string {
	var names []string
	for _, m := range variablePattern.FindAllStringSubmatch(strings.Join(args, " "), -1) {
		names = append(names, m[1])
	}
	return names
}

// lineOf finds the last line of a file, counted from 1, that has a flag in the setting that begins with start. A
// setting goes on over lines that end in a backslash.
func lineOf(file, start, flag string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	found, inside := 0, false
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		inside = inside || strings.Contains(trimmed, start)
		if inside && flagIn(strings.FieldsFunc(strings.Replace(trimmed, start, start+" ", 1), isSeparator), []string{flag}) != "" {
			found = i + 1
		}
		inside = inside && strings.HasSuffix(trimmed, `\`)
	}
	return found
}

func isSeparator(r rune) bool { return strings.ContainsRune(" \t\"'", r) }

// topLevel reads a key of a TOML file, which wants such keys before the first table, and its line.
func topLevel(text, key string) (value string, line int) {
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			return "", 0
		}
		name, v, ok := strings.Cut(l, "=")
		if ok && strings.TrimSpace(name) == key {
			v, _, _ = strings.Cut(strings.TrimSpace(v), " #")
			return strings.Trim(strings.TrimSpace(v), `"'[] `), i + 1
		}
	}
	return "", 0
}
