package preflight

import (
	"errors"
	"strings"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/daemonjson"
	"davit/engine/hostfs"
	"davit/engine/systemd"
)

// good are the facts of a host on which nothing stands in the way.
func good() *facts {
	root := storeFacts{Store: Store{Name: StoreDataRoot, From: "/var/lib/docker", To: "/mnt/big/docker", FSType: "ext4",
		Bytes: 1 << 30, Apparent: 1 << 30, Files: 1000, Configure: ConfiguredBy{Kind: ByDefault, File: "/etc/docker/daemon.json"}}, free: 10 << 30}
	dest := destFacts{Destination: Destination{Path: "/mnt/big/docker", Probed: "/mnt/big", MountPoint: "/mnt/big", FSType: "xfs",
		Source: "/dev/sdb1", Free: 100 << 30, Inodes: 1 << 20, WriteRate: 100 << 20, AtBoot: true}, options: []string{"rw"},
		probe: probeResult{tried: true}}
	file, _ := daemonjson.Load("/nonexistent/daemon.json")
	return &facts{
		systemd: true, file: file,
		info: engine.Info{Version: "28.5.2", Driver: "overlay2", DataRoot: "/var/lib/docker"},
		unit: systemd.Unit{Name: "docker.service", Load: "loaded", MainPID: 7},
		args: []string{"dockerd"}, engineAt: place{path: "/var/lib/docker", real: "/var/lib/docker"},
		stores: []storeFacts{root}, dests: []destFacts{dest},
	}
}

func TestNothingStandsInTheWay(t *testing.T) {
	s := judge(good(), Request{}, time.Unix(0, 0))
	for _, f := range s.Findings {
		if f.Level != OK {
			t.Errorf("%+v", f)
		}
	}
	if s.Refused() || len(s.Findings) < 5 || s.Bytes != 1<<30 || s.Engine.Unit != "docker.service" {
		t.Errorf("%+v", s)
	}
}

// Each row is one thing that is wrong, the check that tells, how grave it is, and words of the finding.
func TestFindings(t *testing.T) {
	container := func(f *facts, c Container) { f.containers = append(f.containers, c) }
	for name, row := range map[string]struct {
		change  func(f *facts)
		request Request
		check   string
		level   Level
		words   string
	}{
		"not root":        {func(f *facts) { f.euid = 1000 }, Request{}, "root", Refusal, "only root"},
		"no systemd":      {func(f *facts) { f.systemd = false }, Request{}, "systemd", Refusal, "systemd does not run"},
		"no engine":       {func(f *facts) { f.reach = errors.New("refused") }, Request{}, "engine", Refusal, "does not answer: refused"},
		"remote":          {func(f *facts) { f.remote = "it is reached over ssh" }, Request{}, "local", Refusal, "over ssh"},
		"Docker Desktop":  {func(f *facts) { f.info.OperatingSystem, f.remote = "Docker Desktop", "x" }, Request{}, "desktop", Refusal, "virtual machine"},
		"rootless":        {func(f *facts) { f.info.Rootless = true }, Request{}, "rootless", Refusal, "without root"},
		"snap":            {func(f *facts) { f.info.DataRoot, f.remote = "/var/snap/docker/common", "x" }, Request{}, "snap", Refusal, "snap"},
		"no unit":         {func(f *facts) { f.unit.MainPID = 0 }, Request{}, "unit", Refusal, "no unit"},
		"another root":    {func(f *facts) { f.engineAt.problem = "is configured to use /x" }, Request{}, "data-root", Refusal, "/x"},
		"btrfs":           {func(f *facts) { f.info.Driver = "btrfs" }, Request{}, "driver", Refusal, "subvolumes"},
		"zfs":             {func(f *facts) { f.info.Driver = "zfs" }, Request{}, "driver", Refusal, "datasets"},
		"aufs":            {func(f *facts) { f.info.Driver = "aufs" }, Request{}, "driver", Refusal, "aufs"},
		"manager":         {func(f *facts) { f.info.Swarm, f.info.SwarmManager = true, true }, Request{}, "swarm", Refusal, "manages"},
		"worker":          {func(f *facts) { f.info.Swarm = true }, Request{}, "swarm", Warning, "worker"},
		"swarm task":      {func(f *facts) { container(f, Container{Name: "a", Swarm: true, State: "running"}) }, Request{}, "swarm", Refusal, "task"},
		"live-restore":    {func(f *facts) { f.info.LiveRestore = true }, Request{}, "live-restore", OK, "stopped all the same"},
		"SELinux":         {func(f *facts) { f.selinux = true }, Request{}, "selinux", Warning, "SELinux"},
		"kubernetes":      {func(f *facts) { f.others = []string{"k8s.io"} }, Request{}, "containerd-clients", Refusal, "k8s.io"},
		"broken file":     {func(f *facts) { f.config = errors.New("line 3, column 1") }, Request{}, "config", Refusal, "line 3"},
		"masked":          {func(f *facts) { f.unit.Load = "masked" }, Request{}, "unit", Refusal, "masked"},
		"changed units":   {func(f *facts) { f.unit.NeedReload = true }, Request{}, "unit", Warning, "have changed"},
		"unknown flag":    {func(f *facts) { f.stores[0].Configure.Kind = ByProcess }, Request{}, "place", Refusal, "no unit has"},
		"symlink":         {func(f *facts) { f.engineAt.path = "/docker" }, Request{}, "symlink", Warning, "symlink"},
		"no such store":   {func(f *facts) { f.stores = nil }, Request{Store: StoreContainerd}, "store", Refusal, "nothing in containerd"},
		"left behind":     {func(f *facts) { f.storeAsked = "images stay" }, Request{}, "store", Warning, "images stay"},
		"unread":          {func(f *facts) { f.stores[0].unread, f.stores[0].problems = 2, "a: input/output error" }, Request{}, "store", Refusal, "input/output"},
		"rename, 2 disks": {nil, Request{Method: "rename"}, "method", Refusal, "not on one file system"},
		"no reflink":      {nil, Request{Method: "reflink"}, "method", Refusal, "cannot share"},
		"rm":              {func(f *facts) { container(f, Container{Name: "a", Back: BackLost}) }, Request{}, "rm", Refusal, "would be lost"},
		"rm allowed":      {func(f *facts) { container(f, Container{Name: "a", Back: BackLost}) }, Request{AllowRmLoss: true}, "rm", Warning, "will be gone"},
		"writes inside":   {func(f *facts) { f.binds = []bind{{"a", "/var/lib/docker/x", true, true}} }, Request{}, "binds", Refusal, "old place"},
		"reads inside":    {func(f *facts) { f.binds = []bind{{"a", "/var/lib/docker/x", false, true}} }, Request{}, "binds", Warning, "old place"},
		"stopped, writes": {func(f *facts) { f.binds = []bind{{"a", "/var/lib/docker/x", true, false}} }, Request{}, "binds", Warning, "old place"},
		"quota":           {func(f *facts) { container(f, Container{Name: "a", Quota: true}) }, Request{}, "quota", Refusal, "limit of size"},
		"quota of all":    {func(f *facts) { f.args = append(f.args, "--storage-opt=overlay2.size=1G") }, Request{}, "quota", Refusal, "project quotas"},
		"quota of volume": {func(f *facts) {
			f.volumes = []engine.Volume{{Name: "v", Driver: "local", Options: map[string]string{"size": "1G"}}}
		}, Request{}, "quota", Refusal, "volume v"},
		"slow": {func(f *facts) { container(f, Container{Name: "a", StopSecs: 600, Back: BackStarted}) }, Request{}, "stop-time", Warning, "600 s"},
		"mounted below": {func(f *facts) {
			f.mounts = []hostfs.Mount{{Point: "/var/lib/docker/volumes", FSType: "ext4", Source: "/dev/sdc"}}
		}, Request{}, "mounts", Refusal, "/var/lib/docker/volumes"},
		"overlay below": {func(f *facts) {
			f.mounts = []hostfs.Mount{{Point: "/var/lib/docker/overlay2/x/merged", FSType: "overlay"}}
		}, Request{}, "mounts", OK, "1 mount below"},
		"no folder": {func(f *facts) { f.dests[0].problem = "there is no folder /mnt" }, Request{}, "destination", Refusal, "no folder"},
		"link":      {func(f *facts) { f.dests[0].link = "/real" }, Request{}, "destination", Refusal, "symlink"},
		"inside":    {func(f *facts) { f.dests[0].inside = "/var/lib/docker" }, Request{}, "destination-inside", Refusal, "one in the other"},
		"not empty": {func(f *facts) { f.dests[0].entries = []string{"photos"} }, Request{}, "destination-empty", Refusal, "photos"},
		"ours":      {func(f *facts) { f.dests[0].entries, f.dests[0].own = []string{"overlay2"}, true }, Request{}, "destination-empty", OK, "gone on with"},
		"NFS":       {func(f *facts) { f.dests[0].FSType = "nfs4" }, Request{}, "filesystem", Refusal, "other machines"},
		"sshfs":     {func(f *facts) { f.dests[0].FSType = "fuse.sshfs" }, Request{}, "filesystem", Refusal, "other machines"},
		"vfat":      {func(f *facts) { f.dests[0].FSType = "vfat" }, Request{}, "filesystem", Refusal, "neither owners"},
		"tmpfs":     {func(f *facts) { f.dests[0].FSType = "tmpfs" }, Request{}, "filesystem", Refusal, "in memory"},
		"read-only": {func(f *facts) { f.dests[0].options = []string{"ro"} }, Request{}, "mount-options", Refusal, "read-only"},
		"noexec":    {func(f *facts) { f.dests[0].options = []string{"rw", "noexec"} }, Request{}, "mount-options", Refusal, "noexec"},
		"nosuid":    {func(f *facts) { f.dests[0].options = []string{"rw", "nosuid"} }, Request{}, "mount-options", Warning, "nosuid"},
		"probe":     {func(f *facts) { f.dests[0].probe.failures = []string{"hard links: no"} }, Request{}, "probe", Refusal, "hard links"},
		"casefold":  {func(f *facts) { f.dests[0].casefold = true }, Request{}, "probe", Refusal, "case"},
		"closed": {func(f *facts) {
			f.info.UserNS, f.info.DataRoot, f.dests[0].closed = true, "/var/lib/docker/231072.231072", []string{"/mnt"}
		}, Request{}, "closed", Refusal, "/mnt is closed"},
		"too small":       {func(f *facts) { f.dests[0].Free = 1 << 30 }, Request{}, "space", Refusal, "are needed"},
		"few inodes":      {func(f *facts) { f.dests[0].Inodes = 1000 }, Request{}, "inodes", Refusal, "inodes free"},
		"small, resumed":  {func(f *facts) { f.dests[0].Free, f.dests[0].own = 1<<20, true }, Request{}, "space", Warning, "are needed"},
		"journal inside":  {func(*facts) {}, Request{StateDir: "/var/lib/docker/davit"}, "journal", Refusal, "in the midst of what moves"},
		"journal there":   {func(*facts) {}, Request{StateDir: "/mnt/big/docker/state"}, "journal", Refusal, "in the midst of what moves"},
		"davit inside":    {func(*facts) {}, Request{Exe: "/var/lib/docker/davit"}, "davit", Refusal, "in the midst of what moves"},
		"little time":     {func(*facts) {}, Request{MaxDowntime: time.Second}, "downtime", Warning, "and 1s are allowed"},
		"davit in tmp":    {func(*facts) {}, Request{Exe: "/tmp/davit"}, "davit", Warning, "after a reboot in the middle"},
		"old disk full":   {func(f *facts) { f.stores[0].free = 4096 }, Request{}, "room", Warning, "has only 4.1 kB free"},
		"not at boot":     {func(f *facts) { f.dests[0].AtBoot, f.dests[0].Mount = false, &MountUnit{} }, Request{}, "boot", Refusal, "empty folder"},
		"not, allowed":    {func(f *facts) { f.dests[0].AtBoot = false }, Request{AllowUnmounted: true}, "boot", Warning, "will not start"},
		"unit is written": {func(f *facts) { f.dests[0].AtBoot, f.dests[0].Mount = false, &MountUnit{Path: "/u"} }, Request{WriteMountUnit: true}, "boot", OK, "the run writes /u"},
		"no unit for it":  {func(f *facts) { f.dests[0].AtBoot = false }, Request{WriteMountUnit: true}, "boot", Refusal, "can write no unit"},
		"noauto":          {func(f *facts) { f.dests[0].noauto = true }, Request{}, "boot", Warning, "noauto"},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			if row.change != nil {
				row.change(f)
			}
			s := judge(f, row.request, time.Unix(0, 0))
			var found []Finding
			for _, one := range s.Findings {
				if one.Check == row.check && one.Level == row.level && strings.Contains(one.What, row.words) {
					found = append(found, one)
				}
				if one.Level == Refusal && one.Check != row.check {
					t.Errorf("refused for another reason as well: %+v", one)
				}
				if one.Level != OK && strings.TrimSpace(one.What) == "" {
					t.Errorf("no words: %+v", one)
				}
			}
			if len(found) == 0 {
				t.Fatalf("no %s of %s with %q in %+v", row.level, row.check, row.words, s.Findings)
			}
			if s.Refused() != (row.level == Refusal) {
				t.Errorf("refused: %v", s.Refused())
			}
			if row.level == Refusal && found[0].Hint == "" {
				t.Errorf("no way out: %+v", found[0])
			}
		})
	}
}

// Two stores that go to one disk need room for both.
func TestRoomForAllStores(t *testing.T) {
	f := good()
	other := f.stores[0]
	other.Name, other.From, other.Configure.Unit = StoreContainerd, "/var/lib/containerd", "containerd.service"
	f.stores, f.dests = append(f.stores, other), append(f.dests, f.dests[0])
	f.dests[0].Free, f.dests[1].Free = 3<<30, 3<<30
	if s := judge(f, Request{}, time.Unix(0, 0)); s.Refused() {
		t.Errorf("%+v", s.Refusals())
	}
	f.dests[0].Free, f.dests[1].Free = 2<<30, 2<<30
	if s := judge(f, Request{}, time.Unix(0, 0)); !s.Refused() {
		t.Error("two stores fit where there is room for one")
	}
}

// How containers come back after they were stopped by the API: the table of the engine's behaviour.
func TestComesBack(t *testing.T) {
	for _, row := range []struct {
		state, policy string
		rm            bool
		held, free    Back
	}{
		{"running", "no", false, BackStarted, BackStarted},
		{"running", "always", false, BackStarted, BackRestarted},
		{"running", "unless-stopped", false, BackStarted, BackStarted},
		{"running", "on-failure", false, BackStarted, BackStarted},
		{"restarting", "always", false, BackStarted, BackRestarted},
		{"paused", "always", false, BackPaused, BackPaused},
		{"exited", "always", false, BackStopped, BackStopAgain},
		{"exited", "unless-stopped", false, BackStopped, BackStopped},
		{"created", "always", false, BackStopped, BackStopped},
		{"running", "no", true, BackLost, BackLost},
		{"created", "no", true, BackLost, BackLost},
	} {
		if got := comesBack(row.state, row.policy, row.rm, true); got != row.held {
			t.Errorf("%+v, held: %s", row, got)
		}
		if got := comesBack(row.state, row.policy, row.rm, false); got != row.free {
			t.Errorf("%+v, not held: %s", row, got)
		}
	}
}
