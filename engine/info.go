package engine

import (
	"context"

	"github.com/docker/docker/api/types/swarm"
)

// Info asks the engine about itself.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	in, err := e.api.Info(ctx)
	if err != nil {
		return Info{}, e.wrap(err, "ask the engine about itself")
	}
	info := Info{
		ID:              in.ID,
		Name:            in.Name,
		Version:         in.ServerVersion,
		APIVersion:      e.api.ClientVersion(),
		DataRoot:        in.DockerRootDir,
		Driver:          in.Driver,
		OS:              in.OSType,
		OperatingSystem: in.OperatingSystem,
		Arch:            in.Architecture,
		CgroupVersion:   in.CgroupVersion,
		LiveRestore:     in.LiveRestoreEnabled,
		Swarm:           in.Swarm.LocalNodeState == swarm.LocalNodeStateActive,
		SwarmManager:    in.Swarm.ControlAvailable,
		Containers:      in.Containers,
		Warnings:        in.Warnings,
	}
	if in.Containerd != nil {
		info.ContainerdAddress = in.Containerd.Address
	}
	info.ContainerdRoot = containerdRoot(info.ContainerdAddress)
	for _, kv := range in.DriverStatus {
		// The one thing that tells the stores apart: a graph driver has no such line.
		if kv[0] == "driver-type" && kv[1] == "io.containerd.snapshotter.v1" {
			info.ContainerdStore = true
		}
	}
	for _, o := range in.SecurityOptions {
		switch o {
		case "name=rootless":
			info.Rootless = true
		case "name=userns":
			info.UserNS = true
		}
	}
	return info, nil
}

// ContainerdRoot is the folder of the containerd that serves an address on this machine, for who cannot ask the engine;
// "" where that cannot be told.
func ContainerdRoot(address string) string { return containerdRoot(address) }
