package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"davit/backup/repo"
	"davit/engine"
)

// addNetworks adds the networks that the engine does not have.
func (b *restoreBuilder) addNetworks(ctx context.Context, items []repo.Item) error {
	if !b.options.Containers && b.ref.Kind != KindNetwork {
		return nil
	}
	for _, it := range items {
		if it.Kind != KindNetwork {
			continue
		}
		step := RestoreStep{Action: ActionCreateNetwork, Kind: it.Kind, Name: it.Name, Target: it.Name, item: it}
		i := slices.IndexFunc(b.inv.networks, func(n engine.Network) bool { return n.Name == it.Name })
		if i >= 0 {
			raw, _, err := readDefinition(ctx, b.env.Repo, it.Desc)
			if err != nil {
				return fmt.Errorf("read definition of network %s: %w", it.Name, err)
			}
			if diff := networkDifference(raw, b.inv.networks[i].Raw); diff != "" {
				b.refuse(it, "a network of this name exists and is another: "+diff, "remove it first, or leave this one out with --only")
				continue
			}
			step = keepStep(it, it.Name, "there already")
		}
		b.plan.Steps = append(b.plan.Steps, step)
	}
	return nil
}

// networkFacts is what makes a network what it is for its containers.
type networkFacts struct {
	Driver                           string
	Internal, Attachable, EnableIPv6 bool
	Options                          map[string]string
	IPAM                             struct {
		Config []struct{ Subnet string }
	}
}

// networkDifference says in what an existing network differs from a saved one, "" when it does as well.
func networkDifference(saved, here json.RawMessage) string {
	var was, is networkFacts
	if json.Unmarshal(saved, &was) != nil || json.Unmarshal(here, &is) != nil {
		return "its definition cannot be read"
	}
	var diffs []string
	differ := func(what string, was, is any) {
		if w, i := fmt.Sprint(was), fmt.Sprint(is); w != i {
			diffs = append(diffs, fmt.Sprintf("%s %s, saved with %s", what, i, w))
		}
	}
	differ("driver", was.Driver, is.Driver)
	differ("internal", was.Internal, is.Internal)
	differ("attachable", was.Attachable, is.Attachable)
	differ("IPv6", was.EnableIPv6, is.EnableIPv6)
	differ("subnets", was.subnets(), is.subnets())
	// Engines add options of their own; those that were saved have to be there.
	for _, key := range slices.Sorted(maps.Keys(was.Options)) {
		differ("option "+key, was.Options[key], is.Options[key])
	}
	return strings.Join(diffs, ", ")
}

func (f networkFacts) subnets() []string {
	list := []string{}
	for _, c := range f.IPAM.Config {
		list = append(list, c.Subnet)
	}
	slices.Sort(list)
	return list
}
