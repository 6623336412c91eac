package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
)

// Networks inspects all networks, sorted by name.
func (e *Engine) Networks(ctx context.Context) ([]Network, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, e.wrap(err, "list networks")
	}
	ids := make([]string, 0, len(list))
	for _, n := range list {
		ids = append(ids, n.ID)
	}
	all, err := inspectAll(ctx, ids, e.InspectNetwork)
	slices.SortFunc(all, func(a, b Network) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

// InspectNetwork inspects one network by id or name.
func (e *Engine) InspectNetwork(ctx context.Context, ref string) (Network, error) {
	_, raw, err := e.api.NetworkInspectWithRaw(ctx, ref, network.InspectOptions{})
	if err != nil {
		return Network{}, e.wrap(err, "inspect network %s", ref)
	}
	return ParseNetwork(raw)
}

// ParseNetwork reads an inspect document.
func ParseNetwork(raw json.RawMessage) (Network, error) {
	var doc network.Inspect
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Network{}, fmt.Errorf("read network definition: %w", err)
	}
	return Network{
		ID: doc.ID, Name: doc.Name, Driver: doc.Driver, Scope: doc.Scope,
		Labels: doc.Labels, Predefined: isPredefined(doc.Name), Raw: raw,
	}, nil
}

func isPredefined(name string) bool {
	return name == network.NetworkBridge || name == network.NetworkHost || name == network.NetworkNone
}

// CreateNetwork makes a network with the definition of an inspect document, its subnets
// included, and returns its id. A name that exists is a conflict.
func (e *Engine) CreateNetwork(ctx context.Context, raw json.RawMessage) (string, error) {
	var doc network.Inspect
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", fmt.Errorf("read network definition: %w", err)
	}
	if doc.Name == "" {
		return "", fmt.Errorf("read network definition: it has no name")
	}
	o := network.CreateOptions{
		Driver: doc.Driver, Scope: doc.Scope, EnableIPv6: &doc.EnableIPv6,
		Internal: doc.Internal, Attachable: doc.Attachable, Ingress: doc.Ingress,
		ConfigOnly: doc.ConfigOnly, Options: doc.Options, Labels: doc.Labels,
	}
	if len(doc.IPAM.Config) > 0 || doc.IPAM.Driver != "" {
		o.IPAM = &doc.IPAM
	}
	if doc.ConfigFrom.Network != "" {
		o.ConfigFrom = &doc.ConfigFrom
	}
	// Older engines know no networks without IPv4, and their documents say nothing of it.
	if told(raw, "EnableIPv4") && versions.GreaterThanOrEqualTo(e.api.ClientVersion(), "1.48") {
		o.EnableIPv4 = &doc.EnableIPv4
	}
	resp, err := e.api.NetworkCreate(ctx, doc.Name, o)
	return resp.ID, e.wrap(err, "create network %s", doc.Name)
}

// told tells whether a document has a key.
func told(raw json.RawMessage, key string) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return false
	}
	_, ok := keys[key]
	return ok
}
