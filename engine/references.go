package engine

import (
	"encoding/json"
	"fmt"
	"strings"
)

// NameReferences returns an inspect document in which other containers are referred to by
// name: docker keeps `--network container:db` (--pid, --ipc, --volumes-from) as an id,
// which means nothing once that container was made anew. names leads from ids to names;
// what is not there stays as it is. Nothing else in the document changes.
func NameReferences(raw json.RawMessage, names map[string]string) (json.RawMessage, error) {
	var doc, host map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read container definition: %w", err)
	}
	if err := json.Unmarshal(doc["HostConfig"], &host); err != nil {
		return nil, fmt.Errorf("read container definition: %w", err)
	}
	for _, key := range []string{"NetworkMode", "PidMode", "IpcMode"} {
		var mode string
		if json.Unmarshal(host[key], &mode) != nil {
			continue
		}
		if ref, ok := strings.CutPrefix(mode, "container:"); ok && names[ref] != "" {
			host[key] = quote("container:" + names[ref])
		}
	}
	var from []string
	if json.Unmarshal(host["VolumesFrom"], &from) == nil && len(from) > 0 {
		for i, f := range from {
			ref, options, colon := strings.Cut(f, ":")
			if names[ref] == "" {
				continue
			}
			from[i] = names[ref]
			if colon {
				from[i] += ":" + options
			}
		}
		host["VolumesFrom"] = quote(from)
	}
	doc["HostConfig"] = quote(host)
	return quote(doc), nil
}

// quote encodes what came from JSON: that cannot go wrong.
func quote(v any) json.RawMessage {
	data, _ := json.Marshal(v)
	return data
}
