package dockercmd

import (
	"context"
	"strings"
	"time"

	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types/container"
	"github.com/spf13/cobra"
)

const pruneContainersQuestion = `WARNING! This will remove all stopped containers.
Are you sure you want to continue?`

func (s *session) pruneContainersCommand() *cobra.Command {
	o := &pruneOptions{filter: opts.NewFilterOpt()}
	cmd := pruneCommand("Remove all stopped containers", func(ctx context.Context) error {
		f, err := s.readFilter(o, "until")
		if err != nil {
			return err
		}
		return s.prune(ctx, prune{name: "container prune", question: pruneContainersQuestion, total: true, options: o,
			brooms: []broom{&containerBroom{session: s, filter: f}}})
	})
	o.flags(cmd, `Provide filter values (e.g. "until=<timestamp>")`)
	return cmd
}

// containerBroom removes containers that do not run. Their volumes stay.
type containerBroom struct {
	*session
	filter filter
}

func (b *containerBroom) choose(ctx context.Context) ([]prunable, error) {
	all, err := b.engine().ContainerList(ctx, container.ListOptions{All: true, Size: true})
	if err != nil {
		return nil, err
	}
	var chosen []prunable
	for _, c := range all {
		if stopped(c) && b.filter.takes(time.Unix(c.Created, 0), c.Labels) {
			chosen = append(chosen, prunable{kind: "container", id: c.ID, name: nameOf(c), size: c.SizeRw})
		}
	}
	return chosen, nil
}

func (b *containerBroom) remove(ctx context.Context, chosen []prunable) (string, int64) {
	var said strings.Builder
	freed := int64(0)
	for _, p := range chosen {
		// Without force the engine refuses a container that runs by now.
		if err := b.engine().ContainerRemove(ctx, p.id, container.RemoveOptions{}); err != nil {
			b.kept(p, err)
			continue
		}
		said.WriteString(p.id + "\n")
		freed += p.size
	}
	return headed("Deleted Containers:\n", said.String()), freed
}

// stopped reports whether docker's prune would take a container: paused and restarting ones count as running.
func stopped(c container.Summary) bool {
	switch c.State {
	case container.StateCreated, container.StateExited, container.StateDead:
		return true
	}
	return false
}

func nameOf(c container.Summary) string {
	if len(c.Names) == 0 {
		return ""
	}
	return strings.TrimPrefix(c.Names[0], "/")
}

// headed puts a heading before lines, if there are any.
func headed(heading, lines string) string {
	if lines == "" {
		return ""
	}
	return heading + lines
}

// staying returns the containers that a prune leaves: all of them, or those that the broom before would leave.
func (s *session) staying(ctx context.Context, going *containerBroom) ([]container.Summary, error) {
	all, err := s.engine().ContainerList(ctx, container.ListOptions{All: true})
	if err != nil || going == nil {
		return all, err
	}
	var rest []container.Summary
	for _, c := range all {
		if !stopped(c) || !going.filter.takes(time.Unix(c.Created, 0), c.Labels) {
			rest = append(rest, c)
		}
	}
	return rest, nil
}
