package preflight

import (
	"slices"
	"strings"
)

// judgeHost is about what has to be right before anything else is worth a look.
func (f *facts) judgeHost(l *findings) {
	switch {
	case f.euid != 0:
		l.refuse("root", "run it as root, with sudo", "only root can see and move the engine's data")
	case !f.systemd:
		l.refuse("systemd", "move it by hand: stop the engine, copy with `rsync -aHAXS --numeric-ids`, set data-root in daemon.json, start it",
			"systemd does not run here, and davit stops and starts the engine by it")
	case f.reach != nil:
		l.refuse("engine", "start it with `davit engine start`, or name its address with DOCKER_HOST",
			"the engine does not answer: %v", f.reach)
	case strings.Contains(f.info.OperatingSystem, "Docker Desktop"):
		l.refuse("desktop", "its settings, under Resources, move the disk of its virtual machine",
			"Docker Desktop keeps its data in a virtual machine, out of davit's reach")
	case f.info.Rootless:
		l.refuse("rootless", "move it by hand as the user who runs it: stop it, copy ~/.local/share/docker, set data-root in ~/.config/docker/daemon.json",
			"the engine runs without root privileges, which davit does not move yet")
	case f.snap():
		l.refuse("snap", "see `snap get docker` and `snap set docker data-root=…` of newer snaps",
			"the engine is a snap, whose data davit does not move")
	case f.remote != "":
		l.refuse("local", "run davit on the engine's own host", "the engine's files are not this host's: %s", f.remote)
	case f.unit.MainPID == 0:
		l.refuse("unit", "have a unit run it, as the packages of Docker do", "no unit of systemd runs the engine (looked for docker.service)")
	case f.engineAt.problem != "":
		l.refuse("data-root", "restart the engine with `davit engine restart`, so that it runs as it is configured", "%s", f.engineAt.problem)
	}
}

func (f *facts) snap() bool {
	return strings.HasPrefix(f.info.DataRoot, "/var/snap/") || strings.HasPrefix(f.unit.Name, "snap.")
}

// judgeEngine is about the engine itself.
func (f *facts) judgeEngine(l *findings) {
	l.ok("engine", "engine %s, run by %s (pid %d), data-root %s", f.info.Version, f.unit.Name, f.unit.MainPID, f.engineAt.real)
	switch f.info.Driver {
	case "overlay2", "overlayfs", "vfs", "fuse-overlayfs", "native":
		l.ok("driver", "storage driver %s", f.info.Driver)
	case "btrfs":
		l.refuse("driver", "send the subvolumes with `btrfs send | btrfs receive` while the engine is stopped",
			"the storage driver btrfs keeps layers as subvolumes, which a copy of files destroys")
	case "zfs":
		l.refuse("driver", "move the dataset with `zfs send -R | zfs receive` or `zfs rename` while the engine is stopped",
			"the storage driver zfs keeps layers as datasets, not as files")
	default:
		l.refuse("driver", "save the images, change to overlay2, and load them again", "davit does not know how the storage driver %s keeps its data", f.info.Driver)
	}
	switch {
	case f.info.SwarmManager:
		l.refuse("swarm", "demote it with `docker node demote`, drain it, then move it as a worker",
			"this engine manages a swarm; two copies of its state must never run, which davit cannot guarantee yet")
	case f.info.Swarm:
		l.warn("swarm", "drain it with `docker node update --availability drain` on a manager, and make it active again afterwards",
			"this engine is a worker of a swarm, which moves its tasks elsewhere while it is down")
	}
	if f.info.LiveRestore {
		l.ok("live-restore", "live-restore is on: containers are stopped all the same, since their files move")
	}
	if sub := userNSFolder(f.info); sub != "" {
		l.ok("userns", "containers run in a remapped user namespace: %s moves with %s and all else that is in it", f.engineAt.real, sub)
	}
	if f.selinux {
		l.warn("selinux", "before the run: semanage fcontext -a -e "+f.engineAt.real+" NEW; afterwards: restorecon -R NEW",
			"SELinux enforces here: labels are copied, but the policy does not know the new place, and davit cannot test that")
	}
	if len(f.others) > 0 {
		slices.Sort(f.others)
		l.refuse("containerd-clients", "stop what runs there first", "containerd also runs containers for others (namespaces %s), which would have to stop", strings.Join(f.others, ", "))
	}
}

// judgeConfig is about what has to be edited for the engine to find its data.
func (f *facts) judgeConfig(l *findings) {
	if f.config != nil {
		l.refuse("config", "correct it: the engine would not start with it", "%v", f.config)
		return
	}
	if f.file == nil {
		return
	}
	if strings.HasPrefix(f.configTarget, "/nix/store/") {
		l.refuse("config", "set data-root where that program gets its settings from", "%s is made by another program", f.file.Path())
	}
	for _, c := range f.conflicts {
		l.refuse("config", "remove one of them: the engine would not start again", "%s", c)
	}
	if f.unit.Masked() {
		l.refuse("unit", "unmask it with `systemctl unmask "+f.unit.Name+"`", "%s is masked and could not be started again", f.unit.Name)
	}
	if f.unit.NeedReload {
		l.warn("unit", "look at them; the run makes systemd read them", "unit files of %s have changed since systemd read them", f.unit.Name)
	}
	for _, s := range f.stores {
		judgePlace(l, s)
	}
	if f.engineAt.path != f.engineAt.real {
		l.warn("symlink", "after the move nothing uses the link any more", "the data-root %s is a symlink to %s", f.engineAt.path, f.engineAt.real)
	}
}

// judgePlace is about where a store's place is written.
func judgePlace(l *findings, s storeFacts) {
	by := s.Configure
	switch by.Kind {
	case ByDefault:
		l.ok("place", "%s %s: nothing sets it; %s will", s.Name, s.From, by.File)
	case ByFile:
		l.ok("place", "%s %s: set in %s", s.Name, s.From, by.File)
	case ByFlag:
		l.ok("place", "%s %s: set by %s in %s, line %d; a drop-in will take its place", s.Name, s.From, by.Flag, by.File, by.Line)
	case ByVariable:
		l.ok("place", "%s %s: set by %s in the variable %s, %s, line %d; a drop-in will take its place", s.Name, s.From, by.Flag, by.Variable, by.File, by.Line)
	case ByContainerd:
		l.ok("place", "%s %s: %s is left as it is; a drop-in of %s will say where it is", s.Name, s.From, by.File, by.Unit)
	default:
		l.refuse("place", "restart "+by.Unit+", so that it runs as its unit says", "%s %s comes from a flag of the running process that no unit has", s.Name, s.From)
	}
}
