package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/systemd"
)

// working are dockerd's arguments as the process that runs has them, else as its unit would
// start it.
func working(u systemd.Unit) []string {
	if args := ofProcess(u); args != nil {
		return args
	}
	return ofUnit(u)
}

// planned are dockerd's arguments as its unit would start it, else as it runs.
func planned(u systemd.Unit) []string {
	args := ofUnit(u)
	if len(args) > 0 && strings.HasPrefix(filepath.Base(args[0]), "dockerd") {
		return args
	}
	if running := ofProcess(u); running != nil {
		return running
	}
	return args
}

// ofProcess is nil when the process is not dockerd: without root privileges dockerd runs below
// another one, started by a script that takes dockerd's flags.
func ofProcess(u systemd.Unit) []string {
	if u.MainPID == 0 {
		return nil
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", u.MainPID))
	args := strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
	if err != nil || filepath.Base(args[0]) != "dockerd" {
		return nil
	}
	return args
}

func ofUnit(u systemd.Unit) []string {
	if len(u.Exec) == 0 {
		return nil
	}
	env := map[string]string{}
	for _, kv := range u.Env {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	for _, file := range u.EnvFiles {
		if text, err := os.ReadFile(file); err == nil {
			readEnv(string(text), env)
		}
	}
	return expand(u.Exec[len(u.Exec)-1], env)
}

// readEnv reads an environment file as systemd does: KEY=value lines, quotes around values
// or parts of them, backslashes, comments of whole lines.
func readEnv(text string, env map[string]string) {
	text = strings.ReplaceAll(text, "\\\n", "")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok || line[0] == '#' || line[0] == ';' {
			continue
		}
		env[strings.TrimSpace(key)] = unquote(strings.TrimSpace(value))
	}
}

// unquote removes quotes, and backslashes outside single quotes.
func unquote(value string) string {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(value):
			i++
			b.WriteByte(value[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// expand puts variables into arguments as systemd does: $NAME alone becomes as many
// arguments as it has words, ${NAME} is replaced within one.
func expand(args []string, env map[string]string) []string {
	var out []string
	for _, a := range args {
		if name, ok := strings.CutPrefix(a, "$"); ok && !strings.ContainsAny(name, "${}") && name != "" {
			out = append(out, strings.Fields(env[name])...)
			continue
		}
		out = append(out, braces(a, env))
	}
	return out
}

func braces(arg string, env map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(arg, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(strings.ReplaceAll(arg, "$$", "$"))
			return b.String()
		}
		b.WriteString(strings.ReplaceAll(before, "$$", "$") + env[name])
		arg = after
	}
}
