package main

import (
	"context"
	"fmt"
	"slices"

	"davit/cmd/davit/dockercmd"
)

// docker carries out a command line that begins with one of docker's words, and reports whether it does. Such a line
// is docker's altogether: its flags, its signals, its exit codes.
func (h *host) docker(ctx context.Context, words []string) (code int, ok bool) {
	line := dockercmd.Look(words, "state-dir", "cache-dir", "log-format")
	switch instead, foreign := dockercmd.Foreign(line.Word); {
	case foreign && instead != "":
		_, _ = fmt.Fprintln(h.err, dockercmd.ForeignText("davit", line.Word))
		return exitFailed, true
	case !dockercmd.Word(line.Word):
		return 0, false
	case line.Word == "version" && slices.Contains(words, "--json"):
		return 0, false // which davit this is, for programs
	}
	return h.dockerProgram().Run(ctx, line), true
}

func (h *host) dockerProgram() *dockercmd.Program {
	b := thisBuild()
	return &dockercmd.Program{
		Name:      "davit",
		Version:   b.Version,
		Commit:    b.Commit,
		BuildTime: b.Time,
		In:        h.in,
		Out:       h.out,
		Err:       h.err,
		Visible:   visible,
	}
}
