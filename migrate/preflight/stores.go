package preflight

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"davit/engine/hostfs"
)

// findStores decides what moves where.
func (f *facts) findStores(ctx context.Context, h Host, r Request) error {
	root := storeFacts{Store: Store{Name: StoreDataRoot, From: f.engineAt.real, Configure: f.engineAt.by}}
	root.problem = rootMountProblem(f.mounts, root.From)
	other, err := f.containerdStore(ctx, h)
	if err != nil {
		return err
	}
	switch r.Store {
	case "", StoreAll:
		f.stores = append(f.stores, root)
		if other != nil {
			f.stores = append(f.stores, *other)
		}
	case StoreDataRoot:
		f.stores = append(f.stores, root)
		if other != nil {
			f.storeAsked = "images and the writable layers of containers stay in containerd's store, " + other.From
		}
	case StoreContainerd:
		if other != nil {
			f.stores = append(f.stores, *other)
		}
	}
	for i := range f.stores {
		f.stores[i].To = r.To
		if len(f.stores) > 1 {
			f.stores[i].To = filepath.Join(r.To, map[string]string{StoreDataRoot: "docker", StoreContainerd: "containerd"}[f.stores[i].Name])
		}
		f.stores[i].FSType = mountOf(f.mounts, f.stores[i].From).FSType
		if f.stores[i].free, _, err = hostfs.Space(f.stores[i].From); err != nil && f.stores[i].problem == "" {
			f.stores[i].problem = err.Error()
		}
	}
	return nil
}

// containerdStore is nil when the engine keeps its images in the data-root.
func (f *facts) containerdStore(ctx context.Context, h Host) (*storeFacts, error) {
	if !f.info.ContainerdStore {
		return nil, nil
	}
	unit, err := h.Units.Unit(ctx, "containerd.service")
	if err != nil {
		return nil, err
	}
	args := processArgs(unit.MainPID)
	at := containerdPlace(args, unit)
	at.by.Unit = unit.Name
	s := &storeFacts{Store: Store{Name: StoreContainerd, From: at.path, Configure: at.by}, problem: at.problem}
	if f.info.ContainerdAddress != "" && f.info.ContainerdRoot != "" && f.info.ContainerdRoot != at.path || unit.MainPID == 0 {
		s.From = f.info.ContainerdRoot
		s.Configure.Kind = ByProcess
	}
	real, err := filepath.EvalSymlinks(s.From)
	if err != nil {
		s.problem = "its folder cannot be looked at: " + err.Error()
		return s, nil
	}
	s.From = real
	if hostfs.Below(real, f.engineAt.real) {
		return nil, nil // a containerd that dockerd runs itself; it moves with the data-root
	}
	if s.problem == "" {
		s.problem = rootMountProblem(f.mounts, real)
	}
	f.others = otherClients("/run/containerd/io.containerd.runtime.v2.task")
	return s, nil
}

// processArgs are the arguments of a process; nil when there is none.
func processArgs(pid int) []string {
	if pid == 0 {
		return nil
	}
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
}

// otherClients lists the namespaces in which containerd runs something for somebody else than the engine.
func otherClients(tasks string) []string {
	var found []string
	spaces, _ := os.ReadDir(tasks)
	for _, s := range spaces {
		running, _ := os.ReadDir(filepath.Join(tasks, s.Name()))
		if len(running) > 0 && s.Name() != "moby" && s.Name() != "plugins.moby" {
			found = append(found, s.Name())
		}
	}
	return found
}

// rootMountProblem tells of a mount that vanishes with the engine: it unmounts its driver's folder when it ends,
// whoever mounted it.
func rootMountProblem(mounts []hostfs.Mount, root string) string {
	drivers := []string{"overlay2", "overlay", "fuse-overlayfs", "vfs", "aufs", "btrfs", "zfs", "devicemapper", "rootfs"}
	for _, m := range mounts {
		if filepath.Dir(m.Point) == root && slices.Contains(drivers, filepath.Base(m.Point)) && m.FSType != "overlay" {
			return "something of its own is mounted on " + m.Point + ", and the engine unmounts it when it stops"
		}
	}
	return ""
}

// storeMounts lists what is mounted below the stores.
func (f *facts) storeMounts() []Mount {
	var found []Mount
	for _, s := range f.stores {
		for _, m := range f.mounts {
			if m.Point == s.From || !hostfs.Below(m.Point, s.From) {
				continue
			}
			found = append(found, Mount{Path: m.Point, FSType: m.FSType, Source: m.Source,
				Options: strings.Join(m.Options, ","), Engines: f.ofEngine(s, m)})
		}
	}
	return found
}

// ofEngine tells whether the engine made a mount, and unmounts it when what needs it ends: the roots of containers,
// their shared memory, secrets, plugins, and volumes with options of their own.
func (f *facts) ofEngine(s storeFacts, m hostfs.Mount) bool {
	rel := strings.TrimPrefix(m.Point, s.From+"/")
	if sub := userNSFolder(f.info); sub != "" {
		rel = strings.TrimPrefix(rel, sub+"/")
	}
	if slices.Contains([]string{"overlay", "nsfs", "mqueue"}, m.FSType) {
		return true
	}
	switch first, _, _ := strings.Cut(rel, "/"); first {
	case "containers", "plugins", "swarm", "netns", "rootfs", "buildkit", "secrets":
		return true
	case "volumes":
		for _, v := range f.volumes {
			if v.Mountpoint == m.Point && len(v.Options) > 0 {
				return true
			}
		}
	}
	return s.Name == StoreContainerd && m.FSType == "tmpfs"
}

func mountOf(mounts []hostfs.Mount, path string) hostfs.Mount {
	m, _ := hostfs.MountOf(mounts, path)
	return m
}

// containerdUnit is the unit that runs containerd, when a store of it moves.
func (f *facts) containerdUnit() string {
	for _, s := range f.stores {
		if s.Name == StoreContainerd {
			return s.Configure.Unit
		}
	}
	return ""
}
