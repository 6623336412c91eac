package backup

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"davit/engine"
)

func bindMount(source string, rw bool) engine.Mount {
	return engine.Mount{Type: "bind", Source: source, RW: rw}
}

func volumeMount(name string) engine.Mount {
	return engine.Mount{Type: "volume", Name: name, Source: "/no-such-root/volumes/" + name + "/_data", RW: true}
}

// Containers are held together exactly when a chain of writable paths joins them, whatever the
// mounts are called.
func TestPlanGroups(t *testing.T) {
	volume := func(name string) engine.Volume {
		return engine.Volume{Name: name, Driver: "local", Mountpoint: "/no-such-root/volumes/" + name + "/_data"}
	}
	bound := volume("bound")
	bound.Options = map[string]string{"type": "none", "o": "bind", "device": "/no-such/share"}
	run := func(name string, mounts ...engine.Mount) engine.Container {
		return engine.Container{ID: "id-" + name, Name: name, Running: true, Mounts: mounts}
	}
	stopped := run("stopped", volumeMount("a"))
	stopped.Running = false
	paused := run("paused", volumeMount("a"))
	paused.Paused = true
	for _, tc := range []struct {
		name       string
		containers []engine.Container
		items      []string // volume names, or paths
		want       string
	}{
		{"two volumes, two groups",
			[]engine.Container{run("x", volumeMount("a")), run("y", volumeMount("b"))}, []string{"a", "b"}, "x:a | y:b"},
		{"one volume, one group",
			[]engine.Container{run("x", volumeMount("a")), run("y", volumeMount("a"))}, []string{"a", "b"}, "x+y:a"},
		{"a chain",
			[]engine.Container{run("x", volumeMount("a")), run("z", volumeMount("b")), run("y", volumeMount("a"), volumeMount("b"))},
			[]string{"a", "b"}, "x+y+z:a,b"},
		{"nested bind mounts",
			[]engine.Container{run("x", bindMount("/no-such/share/sub", true)), run("y", bindMount("/no-such/share", true))},
			[]string{"/no-such/share"}, "x+y:/no-such/share"},
		{"a volume that binds a folder",
			[]engine.Container{run("x", volumeMount("bound")), run("y", bindMount("/no-such/share", true))},
			[]string{"bound", "a"}, "x+y:bound"},
		{"nested items join their writers",
			[]engine.Container{run("x", bindMount("/no-such/share/a", true)), run("y", bindMount("/no-such/share/b", true))},
			[]string{"/no-such/share", "/no-such/share/a"}, "x+y:/no-such/share,/no-such/share/a"},
		{"readers are not held",
			[]engine.Container{run("x", volumeMount("a")), run("r", bindMount("/no-such-root/volumes/a/_data", false))},
			[]string{"a"}, "x:a"},
		{"what is not selected joins nothing",
			[]engine.Container{run("x", volumeMount("a"), volumeMount("c")), run("y", volumeMount("b"), volumeMount("c"))},
			[]string{"a", "b"}, "x:a | y:b"},
		{"stopped ones are not touched", []engine.Container{stopped}, []string{"a"}, ""},
		{"paused ones neither", []engine.Container{paused}, []string{"a"}, ""},
		{"a name that begins like another",
			[]engine.Container{run("x", volumeMount("a")), run("y", volumeMount("ab"))}, []string{"a", "ab"}, "x:a | y:ab"},
		{"a tool that sees the whole host joins nobody",
			[]engine.Container{run("agent", bindMount("/", true), bindMount("/no-such-root", true)), run("x", volumeMount("a"))},
			[]string{"a"}, "x:a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inv := &inventory{
				info: engine.Info{DataRoot: "/no-such-root"}, local: true, containers: tc.containers,
				volumes: []engine.Volume{volume("a"), volume("ab"), volume("b"), volume("c"), bound},
			}
			p := &CreatePlan{}
			var sources []source
			for i, name := range tc.items {
				it := PlannedItem{Kind: KindVolume, Name: name, Group: -1, Consistency: ConsistencyPause}
				path := name
				if v, ok := inv.volume(name); ok {
					path = volumeSource(v)
				}
				p.Items = append(p.Items, it)
				sources = append(sources, source{item: i, path: path})
			}
			p.planGroups(inv, &holdRules{consistency: ConsistencyPause, label: func(engine.Container) string { return "" }}, sources)
			if got := groupText(p); got != tc.want {
				t.Errorf("groups: %s, want %s", got, tc.want)
			}
		})
	}
}

func groupText(p *CreatePlan) string {
	var groups []string
	for i, g := range p.Groups {
		members := memberNames(&g, HoldPause, HoldStop)
		slices.Sort(members)
		var items []string
		for _, it := range p.Items {
			if it.Group == i {
				items = append(items, it.Name)
			}
		}
		groups = append(groups, strings.Join(members, "+")+":"+strings.Join(items, ","))
	}
	slices.Sort(groups)
	return strings.Join(groups, " | ")
}

// Who must not be held is not, and what it writes is then not called consistent.
func TestHoldRules(t *testing.T) {
	base := engine.Container{Name: "x", Running: true}
	with := func(change func(*engine.Container)) engine.Container {
		c := base
		change(&c)
		return c
	}
	raw := func(doc string) engine.Container {
		return with(func(c *engine.Container) { c.Raw = []byte(doc) })
	}
	for _, tc := range []struct {
		name      string
		mode      Consistency
		container engine.Container
		rmLoss    bool
		label     string
		want      Hold
		still     bool
	}{
		{name: "pause", mode: ConsistencyPause, container: base, want: HoldPause, still: true},
		{name: "stop", mode: ConsistencyStop, container: base, want: HoldStop, still: true},
		{name: "live label", mode: ConsistencyPause, container: base, label: "live", want: HoldNone},
		{name: "pause label", mode: ConsistencyStop, container: base, label: "pause", want: HoldPause, still: true},
		{name: "stop label", mode: ConsistencyLive, container: base, label: "stop", want: HoldStop, still: true},
		{name: "unknown label", mode: ConsistencyPause, container: base, label: "paws", want: HoldPause, still: true},
		{name: "paused before", mode: ConsistencyStop, container: with(func(c *engine.Container) { c.Paused = true }), want: HoldNone, still: true},
		{name: "restarting, pause", mode: ConsistencyPause, container: with(func(c *engine.Container) { c.Restarting = true }), want: HoldNone},
		{name: "restarting, stop", mode: ConsistencyStop, container: with(func(c *engine.Container) { c.Restarting = true }), want: HoldStop, still: true},
		{name: "--rm, stop", mode: ConsistencyStop, container: with(func(c *engine.Container) { c.AutoRemove = true }), want: HoldPause, still: true},
		{name: "--rm, stop, loss allowed", mode: ConsistencyStop, rmLoss: true, container: with(func(c *engine.Container) { c.AutoRemove = true }), want: HoldStop, still: true},
		{name: "swarm, stop", mode: ConsistencyStop, rmLoss: true, container: with(func(c *engine.Container) { c.Swarm = true }), want: HoldPause, still: true},
		{name: "serves the repository", mode: ConsistencyPause, want: HoldNone,
			container: with(func(c *engine.Container) { c.Mounts = []engine.Mount{bindMount("/no-such/backup", false)} })},
		{name: "lies beside the repository", mode: ConsistencyPause, want: HoldPause, still: true,
			container: with(func(c *engine.Container) { c.Mounts = []engine.Mount{bindMount("/no-such/backup2", false)} })},
		{name: "answers DNS", mode: ConsistencyPause, want: HoldNone,
			container: raw(`{"HostConfig":{"PortBindings":{"53/udp":[{"HostPort":"53"}]}}}`)},
		{name: "answers DNS in the host's network", mode: ConsistencyStop, want: HoldNone,
			container: raw(`{"HostConfig":{"NetworkMode":"host"},"Config":{"ExposedPorts":{"53/udp":{}}}}`)},
		{name: "exposes 53 inside only", mode: ConsistencyPause, want: HoldPause, still: true,
			container: raw(`{"HostConfig":{"NetworkMode":"bridge"},"Config":{"ExposedPorts":{"53/udp":{}}}}`)},
		{name: "serves a mount that is read", mode: ConsistencyPause, want: HoldNone,
			container: raw(`{"Mounts":[{"Source":"/no-such/fuse","Propagation":"rshared"}]}`)},
		{name: "serves another mount", mode: ConsistencyPause, want: HoldPause, still: true,
			container: raw(`{"Mounts":[{"Source":"/no-such/other","Propagation":"rshared"}]}`)},
	} {
		rules := &holdRules{
			consistency: tc.mode, allowRMLoss: tc.rmLoss, repository: "/no-such/backup/repo",
			sources: []string{"/no-such/fuse/data"}, label: func(engine.Container) string { return tc.label },
		}
		hold, why, still := rules.decide(tc.container)
		if hold != tc.want || still != tc.still {
			t.Errorf("%s: %s, still %v; want %s, %v", tc.name, hold, still, tc.want, tc.still)
		}
		asked := Hold(tc.mode)
		if (why == "") != (hold == asked) {
			t.Errorf("%s: held by %s with the reason %q", tc.name, hold, why)
		}
	}
}

// Warm passes go on only while they make the freeze shorter.
func TestAnotherPass(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		deltas []int64
		want   int // passes made
	}{
		{[]int64{0}, 1},
		{[]int64{10 * mb}, 1},
		{[]int64{2000 * mb, 5 * mb}, 2},
		{[]int64{2000 * mb, 300 * mb, 50 * mb, 10 * mb}, 4},
		{[]int64{2000 * mb, 300 * mb, 290 * mb, 10 * mb}, 3},
		{[]int64{2000 * mb, 2000 * mb, 10 * mb}, 2},
		{[]int64{4000 * mb, 2000 * mb, 1000 * mb, 500 * mb, 200 * mb, 90 * mb}, 5},
	} {
		var last int64
		passes := 0
		for i, delta := range tc.deltas {
			passes++
			if !anotherPass(i+1, delta, last) {
				break
			}
			last = delta
		}
		if passes != tc.want {
			t.Errorf("deltas %v: %d passes, want %d", fmt.Sprint(tc.deltas), passes, tc.want)
		}
	}
}
