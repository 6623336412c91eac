package backup

import (
	"encoding/json"

	"davit/engine/hostfs"
)

// definition is a document that becomes an item of its own.
type definition struct {
	kind, name string
	mediaType  string
	data       []byte
	stat       *hostfs.Stat // of a file
}

// Media types of the one layer of a definition item.
const (
	mediaTypeInspect = "application/vnd.davit.inspect.v1+json"
	mediaTypeText    = "text/plain; charset=utf-8"
)

// definitionsOf collects the inspect documents of what was chosen.
func definitionsOf(inv *inventory, c *chosen) []definition {
	var list []definition
	for _, ctr := range c.sortedContainers() {
		list = append(list, inspected(KindContainer, ctr.Name, ctr.Raw))
	}
	for _, n := range inv.networks {
		if c.networks[n.Name] {
			list = append(list, inspected(KindNetwork, n.Name, n.Raw))
		}
	}
	for _, v := range inv.volumes {
		if _, ok := c.volumes[v.Name]; ok {
			list = append(list, inspected(KindDefinition, volumeDefinition(v.Name), v.Raw))
		}
	}
	return list
}

func inspected(kind, name string, raw json.RawMessage) definition {
	return definition{kind: kind, name: name, mediaType: mediaTypeInspect, data: raw}
}

// volumeDefinition is the name of the item that holds a volume's definition.
func volumeDefinition(volume string) string { return KindVolume + "/" + volume }
