package main

import (
	"fmt"
	"slices"
	"strings"

	"davit/migrate"
)

// needingLinux is what works on files, devices and units of the machine it runs on, by command; with flags, only these
// do. The rest is asked of an engine, which may be elsewhere, or of a repository.
func needingLinux() map[string][]string {
	return map[string][]string{
		"engine":           nil,
		"migrate":          nil,
		"diskscan logs":    nil,
		"backup drill":     nil,
		"backup schedule":  nil,
		"backup create":    {"path"},
		"backup restore":   {"to", "in-place", "commit", "rollback", "compose-files", "compose-in-place"},
		agentSubcommand:    nil,
		migrate.Subcommand: nil,
	}
}

// elsewhereError says that a command, or a flag of it, is for Linux.
type elsewhereError struct{ what, goos string }

func (e *elsewhereError) Error() string {
	name := map[string]string{"darwin": "macOS", "windows": "Windows"}[e.goos]
	if name == "" {
		name = e.goos
	}
	return fmt.Sprintf("%s needs Linux, and this is %s: run it on the machine of the engine", e.what, name)
}

// refusal is why a line cannot be carried out on a system; nil when it can.
func (inv *invocation) refusal(goos string) error {
	if goos == "linux" {
		return nil
	}
	words := inv.name() + " " + strings.Join(inv.rest, " ") + " "
	for name, flags := range needingLinux() {
		if !strings.HasPrefix(words, name+" ") {
			continue
		}
		if flags == nil {
			return &elsewhereError{name, goos}
		}
		for _, word := range slices.Concat(inv.flags...) {
			flag, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
			if slices.Contains(flags, flag) {
				return &elsewhereError{name + " --" + flag, goos}
			}
		}
	}
	return nil
}
