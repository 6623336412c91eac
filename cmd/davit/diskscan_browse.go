package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"

	"davit/diskscan"
	"davit/prune"

	tea "charm.land/bubbletea/v2"
	"github.com/urfave/cli/v2"
)

// browse lets somebody look around in a scan. What was marked is handed to davit prune as a policy; nothing is removed.
func (h *host) browse(c *cli.Context, r *diskscan.Report, marked string) error {
	b := newBrowser(r, h.columns())
	program := tea.NewProgram(b, tea.WithContext(c.Context), tea.WithInput(h.in), tea.WithOutput(h.out), tea.WithoutSignalHandler())
	switch _, err := program.Run(); {
	case c.Context.Err() != nil:
		return context.Cause(c.Context)
	case err != nil:
		return fmt.Errorf("show the browser: %w", err)
	case b.interrupted:
		return interruptedError{signal: syscall.SIGINT}
	}
	if !b.handOver {
		return nil
	}
	return h.handOver(prune.ChosenPolicy(b.chosen()), marked)
}

// handOver writes the policy to a file, or shows the command with the policy in it, ready to be copied.
func (h *host) handOver(policy []byte, file string) error {
	text := &textWriter{w: h.out}
	if file == "" {
		text.linef("davit prune plan --policy /dev/stdin <<'END'")
		for line := range strings.Lines(string(policy)) {
			text.linef("%s", strings.TrimSuffix(line, "\n"))
		}
		text.linef("END")
		return text.err
	}
	if err := h.writeOutput(file, func(w io.Writer) error { _, err := w.Write(policy); return err }); err != nil {
		return err
	}
	text.linef("davit prune plan %s", shellLine([]string{"--policy", file}))
	return text.err
}

// choiceOf is the object that goes when an owner is to go, or why there is none.
func choiceOf(o *diskscan.Owner) (c prune.Choice, why string) {
	switch o.Kind {
	case diskscan.Image, diskscan.ImageContent:
		names := strings.Split(o.Name, ", ")
		if id, untagged := strings.CutPrefix(o.Name, "<none> "); untagged {
			names = []string{id}
		}
		return prune.Choice{Kind: prune.Image, Names: names}, ""
	case diskscan.WritableLayer, diskscan.ContainerFiles, diskscan.Log:
		return prune.Choice{Kind: prune.Container, Names: []string{o.Name}}, ""
	case diskscan.Volume, diskscan.AnonymousVolume:
		return prune.Choice{Kind: prune.Volume, Names: []string{o.Name}, Named: o.Kind == diskscan.Volume}, ""
	case diskscan.BuildCache:
		return prune.Choice{Kind: prune.Cache}, ""
	case diskscan.SharedLayers, diskscan.SharedContent:
		return c, "several images share it: mark these"
	}
	return c, "davit prune removes images, containers, volumes and build cache, not this"
}
