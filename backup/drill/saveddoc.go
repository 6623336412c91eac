package drill

import (
	"encoding/json"
	"fmt"
	"strings"
)

// savedDoc is what a drill reads of a container's inspect document: what may come back, and what is told to be left out.
type savedDoc struct {
	ID     string `json:"Id"`
	Image  string
	Config struct {
		Image                        string
		Hostname, Domainname, User   string
		WorkingDir, StopSignal       string
		Labels                       map[string]string
		Env, Cmd, Entrypoint, Shell  json.RawMessage
		Healthcheck, StopTimeout     json.RawMessage
		Tty, OpenStdin, StdinOnce    bool
		ArgsEscaped, NetworkDisabled bool
	}
	HostConfig      savedHost
	Mounts          []savedMount
	NetworkSettings struct {
		Networks map[string]*struct {
			Aliases, Links []string
			IPAMConfig     *struct{ IPv4Address, IPv6Address string }
		}
	}
}

// savedHost is the part of a definition that can do harm, and the limits.
type savedHost struct {
	limits

	NetworkMode, PidMode, IpcMode, UTSMode, UsernsMode, CgroupnsMode, Runtime, CgroupParent string

	Privileged, PublishAllPorts, ReadonlyRootfs bool

	RestartPolicy                struct{ Name string }
	CapAdd, CapDrop, SecurityOpt []string
	GroupAdd, ExtraHosts, Links  []string
	DeviceCgroupRules            []string
	Devices                      []struct{ PathOnHost string }
	DeviceRequests               []json.RawMessage
	PortBindings                 map[string][]struct{ HostIP, HostPort string }
	Tmpfs, Sysctls, StorageOpt   map[string]string
	LogConfig                    struct{ Type string }
	Mounts                       []savedMountSpec
	MaskedPaths, ReadonlyPaths   *[]string
	Init                         *bool
}

// limits are passed on as they are.
type limits struct {
	Memory, MemorySwap, MemoryReservation    json.RawMessage `json:",omitempty"`
	NanoCpus, CPUShares, CPUPeriod, CPUQuota json.RawMessage `json:",omitempty"`
	CpusetCpus, CpusetMems                   json.RawMessage `json:",omitempty"`
	PidsLimit, Ulimits, BlkioWeight, ShmSize json.RawMessage `json:",omitempty"`
}

// savedMount is one mount as it was.
type savedMount struct {
	Type, Name, Source, Destination string
	RW                              bool
}

// savedMountSpec is one mount as it was asked for.
type savedMountSpec struct {
	Type, Target string
	TmpfsOptions struct {
		SizeBytes int64
		Mode      uint32
	}
	VolumeOptions struct{ Subpath string }
}

func readSaved(raw json.RawMessage) (*savedDoc, error) {
	var doc savedDoc
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read container definition: %w", err)
	}
	return &doc, nil
}

// networks are the names of the networks that the container was in, none for one without any or in another's.
func (d *savedDoc) networks() []string {
	mode := d.HostConfig.NetworkMode
	switch {
	case mode == "none" || d.Config.NetworkDisabled || strings.HasPrefix(mode, "container:"):
		return nil
	case mode == "host":
		return []string{"host"}
	}
	var names []string
	for name, n := range d.NetworkSettings.Networks {
		if n != nil && name != "none" && name != "host" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{"bridge"}
	}
	return names
}
