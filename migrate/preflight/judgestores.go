package preflight

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
)

// littleFree is so little that a running engine may be out of it in the next moment.
const littleFree = 64 << 20

// judgeStores is about what moves.
func (f *facts) judgeStores(l *findings, r Request) {
	if len(f.stores) == 0 {
		l.refuse("store", "leave --store out", "the engine keeps nothing in containerd's store: its images are in the data-root")
		return
	}
	if f.storeAsked != "" {
		l.warn("store", "use --store all to move them too", "%s", f.storeAsked)
	}
	for _, s := range f.stores {
		switch {
		case s.problem != "":
			l.refuse("store", "see to that first", "%s %s: %s", s.Name, s.From, s.problem)
		case s.unread > 0:
			l.refuse("store", "repair the file system, or find out what keeps root from reading it",
				"%s %s: %d files cannot be looked at, the first: %s", s.Name, s.From, s.unread, s.problems)
		default:
			l.ok("store", "%s: %s in %s files, from %s to %s", s.Name, size10(s.Bytes), humanize.Comma(s.Files), s.From, s.To)
		}
		if s.problem == "" && s.free < littleFree {
			l.warn("room", "free some first, with `davit prune` for instance, or use --no-hold",
				"the disk of %s has only %s free: the engine may not be able to write down that containers are held", s.From, size10(int64(s.free)))
		}
		if s.Name == StoreContainerd && s.Configure.Unit == "" {
			l.refuse("containerd", "have a unit run it, as its packages do", "no unit of systemd runs containerd")
		}
		if s.Apparent > s.Bytes+s.Bytes/4+(1<<30) {
			l.ok("sparse", "%s holds sparse files: %s on disk would be %s without their holes, which are kept", s.Name, size10(s.Bytes), size10(s.Apparent))
		}
		judgeMethod(l, s, r)
	}
}

func judgeMethod(l *findings, s storeFacts, r Request) {
	switch {
	case r.Method == "rename" && !s.SameFS:
		l.refuse("method", "use --method copy", "%s and %s are not on one file system: nothing can be renamed from one to the other", s.From, s.To)
	case r.Method == "rename":
		l.warn("method", "", "%s is renamed: there will be no second copy to go back to, only the way back", s.From)
	case r.Method == "reflink" && !s.Reflink:
		l.refuse("method", "use --method copy", "%s and %s cannot share data on disk", s.From, s.To)
	case s.Reflink && r.Method != "copy":
		l.ok("method", "%s and %s share their data on disk until it changes", s.From, s.To)
	}
}

// size10 writes bytes as disks are sold.
func size10(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// judgeMounts is about what is mounted in the stores.
func (f *facts) judgeMounts(l *findings) {
	engines := 0
	for _, m := range f.storeMounts() {
		if m.Engines {
			engines++
			continue
		}
		l.refuse("mounts", fmt.Sprintf("move it by itself: unmount %s, and mount it in the new place before the engine starts there", m.Path),
			"something of its own (%s, %s) is mounted on %s, and is not moved", m.Source, m.FSType, m.Path)
	}
	if engines > 0 {
		l.ok("mounts", "%s below, all made by the engine and gone when it stops", count(engines, "mount"))
	}
	for _, v := range f.volumes {
		if device := v.Options["device"]; v.Driver == "local" && device != "" {
			l.ok("volumes", "volume %s stands for %s (%s), which does not move", v.Name, device, v.Options["type"])
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// judgeContainers is about how the containers come back.
func (f *facts) judgeContainers(l *findings, r Request) {
	by := map[Back][]string{}
	slow := ""
	for _, c := range f.containers {
		if c.Swarm && c.State == "running" {
			l.refuse("swarm", "drain this node with `docker node update --availability drain`", "container %s is a task of a swarm, which would start it elsewhere", c.Name)
		}
		if c.State == "dead" {
			l.warn("containers", "remove it with `docker rm -f "+c.Name+"`", "container %s is dead: half removed", c.Name)
		}
		if c.State == "removing" {
			l.refuse("containers", "wait for it", "container %s is being removed", c.Name)
		}
		by[c.Back] = append(by[c.Back], c.Name)
		if c.StopSecs > 60 && (c.Back == BackStarted || c.Back == BackRestarted) {
			slow += fmt.Sprintf(" %s (%d s)", c.Name, c.StopSecs)
		}
	}
	for _, b := range []struct {
		back Back
		what string
	}{
		{BackStarted, "%s running: davit starts it again: %s"},
		{BackRestarted, "%s running: the engine starts it again by its policy: %s"},
		{BackPaused, "%s paused: started and paused again: %s"},
		{BackStopAgain, "%s stopped, but its policy would start it: davit stops it again: %s"},
		{BackStopped, "%s stopped: stays so: %s"},
	} {
		if names := by[b.back]; len(names) > 0 {
			l.ok("containers", b.what, count(len(names), "container"), shortList(names))
		}
	}
	if slow != "" {
		l.warn("stop-time", "", "containers may take long to stop, which counts as downtime:%s", slow)
	}
	f.judgeRm(l, by[BackLost], r)
}

func (f *facts) judgeRm(l *findings, lost []string, r Request) {
	switch {
	case len(lost) == 0:
	case r.AllowRmLoss:
		l.warn("rm", "", "%s with --rm will be gone, anonymous volumes too: %s", count(len(lost), "container"), shortList(lost))
	default:
		l.refuse("rm", "end them yourself, or accept the loss with --allow-rm-loss",
			"%s with --rm would be lost with the stop, anonymous volumes too: %s", count(len(lost), "container"), shortList(lost))
	}
}

// shortList names the first of many.
func shortList(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// judgeBinds is about containers that see the old root by its path: they will go on doing so.
func (f *facts) judgeBinds(l *findings) {
	for _, b := range f.binds {
		if b.write && b.up {
			l.refuse("binds", "make the container anew with a volume, or stop it and change its mount after the move",
				"container %s writes to %s by that path, and would go on writing to the old place", b.container, b.source)
			continue
		}
		l.warn("binds", "make it anew with the new path afterwards; commit waits for that", "container %s has %s mounted by that path, and will see the old place", b.container, b.source)
	}
}

// judgeQuotas is about limits of sizes, which no copy keeps.
func (f *facts) judgeQuotas(l *findings) {
	const way = "take the limit away, or move by hand to a file system with project quotas and set it again there"
	if f.file != nil {
		if raw, ok := f.file.Get("storage-opts"); ok && strings.Contains(string(raw), ".size=") {
			l.refuse("quota", way, "%s limits the size of containers (storage-opts), which needs project quotas; davit does not move those", f.file.Path())
		}
	}
	for _, a := range f.args {
		if strings.Contains(a, "overlay2.size=") {
			l.refuse("quota", way, "dockerd's flags limit the size of containers (%s); davit does not move project quotas", a)
		}
	}
	for _, c := range f.containers {
		if c.Quota {
			l.refuse("quota", way, "container %s has a limit of size, which would be lost", c.Name)
		}
	}
	for _, v := range f.volumes {
		if v.Driver == "local" && v.Options["size"] != "" && v.Options["type"] == "" {
			l.refuse("quota", way, "volume %s has a limit of size, which would be lost", v.Name)
		}
	}
}
