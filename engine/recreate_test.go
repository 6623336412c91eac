package engine_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"davit/engine"
)

// What a container is: the parts of its inspect document that do not differ between one
// container and the next.
var definitionKeys = []string{"Name", "Path", "Args", "Image", "HostConfig", "Config", "Mounts"}

// A container with every kind of setting is removed and made again from its document, and
// its definition is the same. So are the networks it is in.
func testRecreate(t *testing.T, b *bed) {
	b.d.CLI(t, "network", "create", "--subnet", "10.77.0.0/24", "--label", "n=1", "--opt", "com.docker.network.bridge.name=br-x", "net1")
	b.d.CLI(t, "network", "create", "--internal", "net2")
	b.d.RunContainer(t, "--name", "db", "app:1")
	cases := map[string][]string{
		"plain":     {"app:1"},
		"default":   {"--network", "bridge", "--mac-address", "02:42:0a:00:00:99", "app:1"},
		"full":      {"--network", "net1", "--ip", "10.77.0.9", "--network-alias", "web", "--hostname", "h", "-e", "SECRET=x y", "-l", "k=v", "-v", "data:/data:ro", "-v", "/anon2", "--mount", "type=volume,target=/anon3", "--tmpfs", "/t:size=1m", "-p", "127.0.0.1:8099:80/tcp", "-p", "81", "--restart", "unless-stopped", "--memory", "64m", "--pids-limit", "50", "--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges", "--ulimit", "nofile=100:200", "--health-cmd", "true", "--stop-signal", "INT", "--stop-timeout", "3", "--user", "1:2", "--workdir", "/tmp", "--init", "--log-opt", "max-size=1m", "--add-host", "a:1.2.3.4", "--dns", "9.9.9.9", "--device", "/dev/null:/dev/nul", "--sysctl", "net.ipv4.ip_forward=1", "--shm-size", "1m", "--entrypoint", "sh", "app:1", "-c", "trap exit INT; while :; do sleep 60 & wait; done"},
		"joined":    {"--network", "container:db", "--pid", "container:db", "--volumes-from", "db:ro", "app:1"},
		"hostnet":   {"--network", "host", "--uts", "host", "app:1"},
		"nonet":     {"--network", "none", "--read-only", "app:1"},
		"linked":    {"--link", "db:dbalias", "app:1"},
		"removable": {"--rm", "app:1"},
	}
	for name, args := range cases {
		for _, state := range []string{"running", "stopped"} {
			if state == "stopped" && name != "full" && name != "default" {
				continue // only addresses look different when a container does not run
			}
			t.Run(name+" "+state, func(t *testing.T) {
				id := b.d.RunContainer(t, append([]string{"--name", name}, args...)...)
				if name == "full" {
					b.d.CLI(t, "network", "connect", "--alias", "second", "net2", name)
				}
				if state == "stopped" {
					b.d.CLI(t, "stop", "-t", "1", name)
				}
				recreate(t, b, name, id)
			})
		}
	}
	testRecreateNetwork(t, b)
}

func recreate(t *testing.T, b *bed, name, id string) {
	t.Helper()
	db, err := b.InspectContainer(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	old, err := b.InspectContainer(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if old.AutoRemove {
		b.d.CLI(t, "rename", name, name+"-old")
		defer b.d.CLI(t, "rm", "-f", "-v", name+"-old")
	} else {
		b.d.CLI(t, "rm", "-f", name)
	}
	raw, err := engine.NameReferences(old.Raw, map[string]string{db.ID: "db"})
	if err != nil {
		t.Fatal(err)
	}
	made, warnings, err := b.CreateContainerFromInspect(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	defer b.d.CLI(t, "rm", "-f", "-v", made)
	if len(warnings) > 0 {
		t.Logf("warnings: %v", warnings)
	}
	c, err := b.InspectContainer(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	if c.Running {
		t.Error("it was started")
	}
	compare(t, old, c)
	if err := b.Start(t.Context(), made); err != nil {
		t.Error(err)
	}
	started, err := b.InspectContainer(t.Context(), made)
	if err != nil || !started.Running {
		t.Errorf("started: running %v, %v", started.Running, err)
	}
	if old.Running {
		if was, is := networkFacts(t, old), networkFacts(t, started); was != is {
			t.Errorf("networks\n was %s\n  is %s", was, is)
		}
	}
}

func compare(t *testing.T, old, made engine.Container) {
	t.Helper()
	was, is := definition(t, old), definition(t, made)
	for _, key := range definitionKeys {
		for _, d := range differences(key, was[key], is[key]) {
			t.Error(d)
		}
	}
}

// definition decodes what has to be equal, with what may be written in two ways written in
// one: volumes that the engine had made are attached by name, capabilities have a prefix,
// and the default host name is the id.
func definition(t *testing.T, c engine.Container) map[string]any {
	t.Helper()
	doc := decode(t, c.Raw)
	host, config := doc["HostConfig"].(map[string]any), doc["Config"].(map[string]any)
	if config["Hostname"] == c.ID[:12] {
		delete(config, "Hostname")
	}
	if mode := host["NetworkMode"].(string); strings.HasPrefix(mode, "container:") {
		for _, key := range []string{"Hostname", "Domainname", "ExposedPorts"} {
			delete(config, key) // the other container's
		}
	}
	for _, key := range []string{"CapAdd", "CapDrop"} {
		caps, _ := host[key].([]any)
		for i := range caps {
			caps[i] = strings.TrimPrefix(caps[i].(string), "CAP_")
		}
	}
	binds, _ := host["Binds"].([]any)
	host["Binds"] = slices.DeleteFunc(append([]any{}, binds...), func(b any) bool {
		return len(b.(string)) > 64 && b.(string)[64] == ':'
	})
	extra, _ := host["Mounts"].([]any)
	for _, m := range extra {
		delete(m.(map[string]any), "Source")
	}
	mounts := map[string]any{}
	for _, m := range doc["Mounts"].([]any) {
		m := m.(map[string]any)
		delete(m, "Mode")
		mounts[m["Destination"].(string)] = m
	}
	doc["Mounts"] = mounts
	return doc
}

// networkFacts says how a running container is in its networks.
func networkFacts(t *testing.T, c engine.Container) string {
	t.Helper()
	var doc struct {
		NetworkSettings struct {
			Networks map[string]struct {
				IPAMConfig *struct{ IPv4Address string }
				Aliases    []string
			}
		}
	}
	if err := json.Unmarshal(c.Raw, &doc); err != nil {
		t.Fatal(err)
	}
	facts := map[string]string{}
	for name, n := range doc.NetworkSettings.Networks {
		ip := ""
		if n.IPAMConfig != nil {
			ip = n.IPAMConfig.IPv4Address
		}
		slices.Sort(n.Aliases)
		facts[name] = fmt.Sprint(slices.DeleteFunc(n.Aliases, func(a string) bool { return a == c.ID[:12] }), ip)
	}
	return fmt.Sprint(facts)
}

func testRecreateNetwork(t *testing.T, b *bed) {
	for _, name := range []string{"net1", "net2"} {
		old, err := b.InspectNetwork(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.CreateNetwork(t.Context(), old.Raw); !engine.IsConflict(err) {
			t.Errorf("network %s a second time: %v", name, err)
		}
		b.d.CLI(t, "network", "rm", name)
		id, err := b.CreateNetwork(t.Context(), old.Raw)
		if err != nil {
			t.Fatal(err)
		}
		made, err := b.InspectNetwork(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		was, is := decode(t, old.Raw), decode(t, made.Raw)
		for _, key := range []string{"Id", "Created", "Containers", "Status"} {
			delete(was, key)
			delete(is, key)
		}
		if !reflect.DeepEqual(was, is) {
			t.Errorf("network %s\n was %v\n  is %v", name, was, is)
		}
	}
	all, err := b.Networks(t.Context())
	if err != nil || len(all) != 5 {
		t.Errorf("networks %v, %v", all, err)
	}
	for _, n := range all {
		if n.Predefined == strings.HasPrefix(n.Name, "net") {
			t.Errorf("network %s: predefined %v", n.Name, n.Predefined)
		}
	}
}

func decode(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// differences lists what differs in two documents, by path.
func differences(path string, a, b any) []string {
	x, ok := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		if reflect.DeepEqual(a, b) {
			return nil
		}
		return []string{fmt.Sprintf("%s: was %v, is %v", path, a, b)}
	}
	var all []string
	for k := range x {
		all = append(all, differences(path+"."+k, x[k], y[k])...)
	}
	for k := range y {
		if _, ok := x[k]; !ok {
			all = append(all, fmt.Sprintf("%s.%s: was missing, is %v", path, k, y[k]))
		}
	}
	return all
}
