package daemonjson

import (
	"encoding/json"
	"slices"
	"strings"
)

// DefaultPath is where dockerd looks when no flag says otherwise.
const DefaultPath = "/etc/docker/daemon.json"

// Flag is one flag of dockerd, under the name of its key in the file.
type Flag struct {
	Key   string // "data-root", "hosts"
	Value string // "true" for a flag without a value
}

// Flags reads the arguments of dockerd, its own name first. What is no flag is left out.
func Flags(args []string) []Flag {
	var flags []Flag
	for i := 1; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		switch {
		case strings.HasPrefix(name, "--"):
			name = name[2:]
		case strings.HasPrefix(name, "-") && len(name) > 1:
			// -Hfd:// and -H=fd:// as well as -H fd://
			if name, value, given = short(args[i]); name == "" {
				continue
			}
		default:
			continue
		}
		if !given {
			value = "true"
			if !isSwitch(name) && i+1 < len(args) {
				i++
				value = args[i]
			}
		}
		flags = append(flags, Flag{Key: keyOf(name), Value: value})
	}
	return flags
}

// short takes a flag of one letter apart.
func short(arg string) (name, value string, given bool) {
	names := map[byte]string{
		'b': "bridge", 'D': "debug", 'g': "graph", 'G': "group", 'H': "host", 'l': "log-level",
		'p': "pidfile", 's': "storage-driver", 'v': "version",
	}
	name, value = names[arg[1]], strings.TrimPrefix(arg[2:], "=")
	return name, value, len(arg) > 2
}

// isSwitch tells the flags that take no value unless it is given with "=".
func isSwitch(name string) bool {
	return slices.Contains([]string{
		"debug", "experimental", "help", "icc", "init", "ip-forward", "ip-forward-no-drop", "ip-masq", "iptables",
		"ip6tables", "ipv6", "live-restore", "no-new-privileges", "raw-logs", "rootless", "selinux-enabled", "tls",
		"tlsverify", "userland-proxy", "validate", "version", "allow-nondistributable-artifacts-all", "bridge-accept-fwmark-all",
	}, name)
}

// keyOf is the key in the file that stands for a flag: lists have the plural there.
func keyOf(flag string) string {
	switch flag {
	case "host", "label", "dns-opt", "exec-opt", "log-opt", "storage-opt", "registry-mirror", "authorization-plugin",
		"default-ulimit", "node-generic-resource", "default-address-pool", "cluster-store-opt", "default-network-opt", "proxy-opt":
		return flag + "s"
	case "insecure-registry":
		return "insecure-registries"
	case "add-runtime":
		return "runtimes"
	case "cdi-spec-dir":
		return "cdi-spec-dirs"
	}
	return flag
}

// Value returns the last value of a flag; ok tells whether it is there.
func Value(flags []Flag, key string) (value string, ok bool) {
	for _, f := range flags {
		if f.Key == key {
			value, ok = f.Value, true
		}
	}
	return value, ok
}

// Find is the path of the file that an engine with these flags reads; usual is the one it
// reads when they do not say.
func Find(flags []Flag, usual string) string {
	if path, ok := Value(flags, "config-file"); ok {
		return path
	}
	return usual
}

// Conflict is a setting that comes by a flag and by the file.
type Conflict struct {
	Key      string
	FromFlag []string
	FromFile json.RawMessage
}

// Conflicts lists them, by key. dockerd does not start with any, even if both say the same.
func (f *File) Conflicts(flags []Flag) []Conflict {
	var found []Conflict
	for _, key := range f.Keys() {
		if key == "runtimes" { // the one that dockerd takes from both
			continue
		}
		c := Conflict{Key: key}
		for _, flag := range flags {
			if flag.Key == key {
				c.FromFlag = append(c.FromFlag, flag.Value)
			}
		}
		if c.FromFile, _ = f.Get(key); len(c.FromFlag) > 0 {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Conflict) int { return strings.Compare(a.Key, b.Key) })
	return found
}
