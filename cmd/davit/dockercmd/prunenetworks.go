package dockercmd

import (
	"context"
	"strings"

	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types/network"
	"github.com/spf13/cobra"
)

const pruneNetworksQuestion = `WARNING! This will remove all custom networks not used by at least one container.
Are you sure you want to continue?`

func (s *session) pruneNetworksCommand() *cobra.Command {
	o := &pruneOptions{filter: opts.NewFilterOpt()}
	cmd := pruneCommand("Remove all unused networks", func(ctx context.Context) error {
		f, err := s.readFilter(o, "until")
		if err != nil {
			return err
		}
		return s.prune(ctx, prune{name: "network prune", question: pruneNetworksQuestion, options: o,
			brooms: []broom{&networkBroom{session: s, filter: f}}})
	})
	o.flags(cmd, `Provide filter values (e.g. "until=<timestamp>")`)
	return cmd
}

// networkBroom removes networks that no running container is in; swarm's networks are left to swarm.
type networkBroom struct {
	*session
	filter filter
}

func (b *networkBroom) choose(ctx context.Context) ([]prunable, error) {
	all, err := b.engine().NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, err
	}
	var chosen []prunable
	for _, n := range all {
		if n.Name == "bridge" || n.Name == "host" || n.Name == "none" || n.ConfigOnly || n.Ingress || n.Scope == "swarm" ||
			!b.filter.takes(n.Created, n.Labels) {
			continue
		}
		inspected, err := b.engine().NetworkInspect(ctx, n.ID, network.InspectOptions{})
		if err == nil && len(inspected.Containers) == 0 {
			chosen = append(chosen, prunable{kind: "network", id: n.ID, name: n.Name})
		}
	}
	return chosen, nil
}

func (b *networkBroom) remove(ctx context.Context, chosen []prunable) (string, int64) {
	var said strings.Builder
	for _, p := range chosen {
		// The engine refuses a network that is used by now.
		if err := b.engine().NetworkRemove(ctx, p.id); err != nil {
			b.kept(p, err)
			continue
		}
		said.WriteString(b.shown(p.name) + "\n")
	}
	return headed("Deleted Networks:\n", said.String()), 0
}
