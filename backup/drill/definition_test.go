package drill

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// harmless is what every scratch container is like, whatever was saved.
func harmless(t *testing.T, raw json.RawMessage) {
	t.Helper()
	text := string(raw)
	for _, bad := range []string{
		"Privileged", "CapAdd", "Devices", "DeviceRequests", "DeviceCgroupRules", "PortBindings", "PublishAllPorts", "VolumesFrom", "Binds",
		"UsernsMode", "UTSMode", "CgroupnsMode", "CgroupParent", "Runtime", "unconfined", "disable", "/etc/shadow", "docker.sock", `"host"`,
		"MaskedPaths", "ReadonlyPaths", "StorageOpt", "VolumeDriver", "traefik", "com.docker.compose", "host-gateway", "unless-stopped",
		"gelf", "kernel.core_pattern", "10.0.0.9", "AutoRemove", "MacAddress", "Annotations", "shared",
	} {
		if strings.Contains(text, bad) {
			t.Errorf("it holds %q: %s", bad, text)
		}
	}
	var doc struct {
		HostConfig struct {
			RestartPolicy struct{ Name string }
			NetworkMode   string
			Mounts        []struct{ Type, Source string }
		}
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.HostConfig.RestartPolicy.Name != "no" || doc.Config.Labels["davit.drill"] != "run" {
		t.Errorf("%s", text)
	}
	if m := doc.HostConfig.NetworkMode; m != "none" && !strings.HasPrefix(m, "scratch-") && m != "container:scratch-db" {
		t.Errorf("network mode is %q", m)
	}
	for _, m := range doc.HostConfig.Mounts {
		if m.Type == "volume" && !strings.HasPrefix(m.Source, "scratch-") || m.Type == "bind" && !strings.HasPrefix(m.Source, "/scratch/") {
			t.Errorf("mount %+v", m)
		}
	}
}

func testStage() *stage {
	return &stage{
		run:        "run",
		containers: map[string]string{"db": "scratch-db", "0123456789abcdef": "scratch-db"},
		networks:   map[string]string{"bridge": "scratch-bridge", "host": "scratch-host", "front": "scratch-front", "back": "scratch-back"},
		mounts: func(m savedMount, _ string) (string, string, string) {
			switch {
			case m.Type == "volume":
				return "scratch-" + m.Name, "", ""
			case m.Source == "/srv/one.conf":
				return "scratch-conf", "one.conf", ""
			}
			return "", "", "without " + m.Source
		},
	}
}

// Whatever a saved definition asks for, what is made of it reaches nothing; what was left out is told.
func TestHostileDefinitions(t *testing.T) {
	for name, test := range map[string]struct {
		saved string // members of the document
		tells string
	}{
		"privileged":       {`"HostConfig":{"Privileged":true}`, "not privileged"},
		"capabilities":     {`"HostConfig":{"CapAdd":["SYS_ADMIN","ALL"]}`, "without the added capabilities SYS_ADMIN, ALL"},
		"device":           {`"HostConfig":{"Devices":[{"PathOnHost":"/dev/sda","PathInContainer":"/dev/sda","CgroupPermissions":"rwm"}]}`, "without the device /dev/sda"},
		"device rules":     {`"HostConfig":{"DeviceCgroupRules":["a *:* rwm"],"DeviceRequests":[{"Driver":"nvidia","Count":-1}]}`, "without requested devices"},
		"socket":           {`"HostConfig":{"Binds":["/var/run/docker.sock:/var/run/docker.sock"]},"Mounts":[{"Type":"bind","Source":"/var/run/dock.sock","Destination":"/var/run/dock.sock","RW":true,"Propagation":"shared"}]`, "without /var/run/dock.sock"},
		"bind":             {`"HostConfig":{"Binds":["/etc/shadow:/x"]},"Mounts":[{"Type":"bind","Source":"/etc/shado","Destination":"/x","RW":true}]`, "without /etc/shado"},
		"file":             {`"Mounts":[{"Type":"bind","Source":"/srv/one.conf","Destination":"/etc/one.conf"}]`, ""},
		"volume":           {`"HostConfig":{"VolumeDriver":"evil","Binds":["data:/d"]},"Mounts":[{"Type":"volume","Name":"data","Source":"/etc/shadow","Destination":"/d","RW":true}]`, ""},
		"volumes from":     {`"HostConfig":{"VolumesFrom":["db"]},"Mounts":[{"Type":"volume","Name":"data","Destination":"/d"}]`, ""},
		"host network":     {`"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Networks":{"host":{}}}`, "the host's network: an isolated one instead"},
		"host namespaces":  {`"HostConfig":{"PidMode":"host","IpcMode":"host","UTSMode":"host","UsernsMode":"host","CgroupnsMode":"host"}`, "PidMode host: one of its own instead"},
		"ports":            {`"HostConfig":{"PublishAllPorts":true,"PortBindings":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"}]}}`, "port 80/tcp is not published at 0.0.0.0:80"},
		"restart":          {`"HostConfig":{"RestartPolicy":{"Name":"unless-stopped"},"AutoRemove":true}`, ""},
		"security":         {`"HostConfig":{"SecurityOpt":["seccomp=unconfined","label=disable","apparmor=unconfined","systempaths=unconfined"],"MaskedPaths":[],"ReadonlyPaths":[]}`, "without the security option seccomp=unconfined"},
		"runtime":          {`"HostConfig":{"Runtime":"evil","CgroupParent":"/","Annotations":{"x":"y"},"StorageOpt":{"size":"1T"}}`, "the engine's usual runtime instead of evil"},
		"other's network":  {`"HostConfig":{"NetworkMode":"container:nobody"}`, "the network of a container that is not part of the drill: none instead"},
		"db's network":     {`"HostConfig":{"NetworkMode":"container:0123456789abcdef"}`, ""},
		"labels":           {`"Config":{"Labels":{"traefik.enable":"true","com.docker.compose.project":"shop","davit.drill":"other"}}`, ""},
		"logs":             {`"HostConfig":{"LogConfig":{"Type":"gelf","Config":{"gelf-address":"udp://prod"}}}`, "logs stay here and do not go to gelf"},
		"sysctls":          {`"HostConfig":{"Sysctls":{"kernel.core_pattern":"|/x","net.core.somaxconn":"9"}}`, "sysctl kernel.core_pattern is not set"},
		"gateway":          {`"HostConfig":{"ExtraHosts":["host.docker.internal:host-gateway","a:1.2.3.4"]}`, "the host is not known as host.docker.internal:host-gateway"},
		"addresses":        {`"HostConfig":{"NetworkMode":"front"},"NetworkSettings":{"Networks":{"front":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"MacAddress":"02:00:00:00:00:01"},"back":{}}}`, "no fixed address in network front"},
		"tmpfs":            {`"HostConfig":{"Tmpfs":{"/t":"size=1m,shared,dev,suid"},"Mounts":[{"Type":"tmpfs","Target":"/u","TmpfsOptions":{"SizeBytes":5}}]}`, ""},
		"a mount as asked": {`"HostConfig":{"Mounts":[{"Type":"bind","Source":"/etc/shadow","Target":"/x","BindOptions":{"Propagation":"shared"}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			saved, err := readSaved(json.RawMessage(`{"Id":"ffffffffffffffff","Image":"sha256:1",` + test.saved + `}`))
			if err != nil {
				t.Fatal(err)
			}
			d, changes := scratchDefinition(saved, "web", "scratch-web", testStage())
			raw, err := d.document("sha256:1", func(volume string) string { return "/scratch/" + volume })
			if err != nil {
				t.Fatal(err)
			}
			harmless(t, raw)
			if test.tells != "" && !slices.Contains(changes, test.tells) {
				t.Errorf("it does not tell %q but %q", test.tells, changes)
			}
		})
	}
}

// What makes a container work stays: its command, limits, names in networks, links and mounts.
func TestDefinitionKeeps(t *testing.T) {
	saved, err := readSaved(json.RawMessage(`{"Id":"ffffffffffffffff","Image":"sha256:1",
		"Config":{"Cmd":["run","x"],"Entrypoint":["/e"],"Env":["A=1"],"User":"5","WorkingDir":"/w","Hostname":"h","Healthcheck":{"Test":["CMD","true"]},"StopTimeout":7},
		"HostConfig":{"NetworkMode":"front","Memory":67108864,"NanoCpus":500000000,"CpuShares":7,"PidsLimit":50,"Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],
			"ReadonlyRootfs":true,"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],"Links":["/db:/web/store"],"Init":true,"IpcMode":"shareable"},
		"Mounts":[{"Type":"volume","Name":"data","Destination":"/d:x","RW":false}],
		"NetworkSettings":{"Networks":{"front":{"Aliases":["web","ffffffffffff"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d, changes := scratchDefinition(saved, "shop-web-1", "scratch-web", testStage())
	raw, err := d.document("sha256:2", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"Cmd":["run","x"]`, `"Entrypoint":["/e"]`, `"Env":["A=1"]`, `"User":"5"`, `"WorkingDir":"/w"`, `"Hostname":"h"`, `"Test":["CMD","true"]`, `"StopTimeout":7`,
		`"Memory":67108864`, `"NanoCpus":500000000`, `"CpuShares":7`, `"PidsLimit":50`, `"Hard":2`, `"ReadonlyRootfs":true`, `"CapDrop":["ALL"]`,
		`"SecurityOpt":["no-new-privileges"]`, `"Links":["scratch-db:store"]`, `"Aliases":["shop-web-1","web"]`, `"NetworkMode":"scratch-front"`,
		`"ReadOnly":true`, `"Target":"/d:x"`, `"Init":true`, `"Image":"sha256:2"`, `"IpcMode":"shareable"`, fmt.Sprintf(`"OomScoreAdj":%d`, oomFirst),
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is missing in %s", want, raw)
		}
	}
	if len(changes) != 0 {
		t.Errorf("changes: %q", changes)
	}
}
