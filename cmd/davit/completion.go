package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"davit/cmd/davit/dockercmd"

	"github.com/urfave/cli/v2"
)

// The words that a shell's completion script and the Makefile call davit with.
const (
	completeWord = "__complete"
	manWord      = "__man"
)

func (h *host) completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Category:  aboutDavit,
		Usage:     "Print the script that completes command lines in a shell",
		UsageText: "davit completion bash|zsh|fish",
		Description: examples("davit completion bash > /etc/bash_completion.d/davit", "davit completion zsh > /usr/share/zsh/site-functions/_davit",
			"davit completion fish > /etc/fish/completions/davit.fish") + exitCodes(exitDone, exitFailed),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, 1, "SHELL")
			if err != nil {
				return err
			}
			if !slices.Contains([]string{"bash", "zsh", "fish"}, args[0]) {
				return misuse(c, "no completion for "+args[0], "bash, zsh and fish have it")
			}
			return h.dockerProgram().CompletionScript(args[0])
		},
	}
}

// service answers a shell or the Makefile, and reports whether it was one of them that asked.
func (h *host) service(ctx context.Context, words []string) (code int, ok bool) {
	var err error
	switch {
	case len(words) > 1 && words[0] == completeWord:
		err = h.complete(ctx, words[1:len(words)-1], words[len(words)-1])
	case len(words) == 2 && words[0] == manWord:
		err = h.manPages(ctx, words[1])
	default:
		return 0, false
	}
	return h.report(ctx, err), true
}

// complete writes what the word that is being typed may become.
func (h *host) complete(ctx context.Context, words []string, word string) error {
	line := dockercmd.Look(words, "state-dir", "cache-dir", "log-format")
	if dockercmd.Word(line.Word) {
		return h.dockerProgram().Complete(ctx, line, word)
	}
	app := h.app()
	commands, flags, depth := app.Commands, app.Flags, 0
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			continue
		}
		if c := commandNamed(commands, w); c != nil {
			commands, flags, depth = c.Subcommands, c.Flags, depth+1
		}
	}
	var found []string
	offer := func(name, usage string) {
		if strings.HasPrefix(name, word) {
			found = append(found, name+"\t"+usage)
		}
	}
	for _, c := range commands {
		if !c.Hidden {
			offer(c.Name, c.Usage)
		}
	}
	if depth == 0 {
		for _, g := range dockercmd.Groups() {
			for _, w := range g.Words {
				offer(w, "docker's "+w)
			}
		}
	}
	if strings.HasPrefix(word, "-") {
		found = nil
		for _, f := range flags {
			left, usage := flagRow(f)
			_, name, _ := strings.Cut(left, "--")
			name, _, _ = strings.Cut(name, " ")
			offer("--"+name, usage)
		}
	}
	directive := dockercmd.CompleteNames
	if len(commands) == 0 && !strings.HasPrefix(word, "-") {
		directive = dockercmd.CompleteFiles
	}
	_, err := fmt.Fprintln(h.out, strings.Join(append(found, directive), "\n"))
	return err
}
