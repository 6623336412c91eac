package diskscan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// StoreKind is what sort of store a folder is.
type StoreKind string

// The kinds of stores.
const (
	DataRoot   StoreKind = "data-root"
	Containerd StoreKind = "containerd"
)

// Store is a folder in which an engine keeps its things.
type Store struct {
	Kind StoreKind `json:"kind"`
	Path string    `json:"path"`
}

// Where engines keep their things when nobody has told them otherwise.
const (
	defaultDataRoot   = "/var/lib/docker"
	defaultContainerd = "/var/lib/containerd"
	daemonConfig      = "/etc/docker/daemon.json"
)

// FindStores finds the stores of this machine's engine without asking it: what a running dockerd was told on its
// command line, else its configuration file, else the usual folders. There may be none. rootOf tells the folder of the
// containerd that serves an address, "" when it cannot.
func FindStores(rootOf func(address string) string) []Store {
	args := runningEngine()
	root, containerd := flagOf(args, "--data-root", "--graph", "-g"), ""
	if root == "" {
		root = configuredDataRoot(daemonConfig)
	}
	if root == "" {
		root = defaultDataRoot
	}
	if address := flagOf(args, "--containerd"); address != "" {
		containerd = rootOf(address)
	}
	if containerd == "" {
		containerd = defaultContainerd
	}
	return StoresAt(root, containerd)
}

// StoresAt returns those of the two that are there.
func StoresAt(dataRoot, containerd string) (stores []Store) {
	if dataRoot != "" && isFolder(dataRoot) {
		stores = append(stores, Store{DataRoot, resolved(dataRoot)})
	}
	if containerd != "" && looksLikeContainerd(containerd) {
		stores = append(stores, Store{Containerd, resolved(containerd)})
	}
	return stores
}

func configuredDataRoot(file string) string {
	var conf struct {
		DataRoot string `json:"data-root"`
		Graph    string `json:"graph"` // until 23.0
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &conf) != nil {
		return ""
	}
	if conf.DataRoot != "" {
		return conf.DataRoot
	}
	return conf.Graph
}

// runningEngine reads the command line of the one dockerd that runs; several are private ones of somebody.
func runningEngine() []string {
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil
	}
	found, args := 0, []string(nil)
	for _, file := range files {
		if name, err := os.ReadFile(file); err != nil || string(name) != "dockerd\n" {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil {
			continue
		}
		found++
		args = strings.Split(string(line), "\x00")
	}
	if found != 1 {
		return nil
	}
	return args
}

// flagOf is the value of a flag that has several names; "" without it.
func flagOf(args []string, names ...string) string {
	for i, arg := range args {
		for _, flag := range names {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				return value
			}
			if arg == flag && i+1 < len(args) {
				return args[i+1]
			}
		}
	}
	return ""
}

// storeAbove finds the store that path is, or is in.
func storeAbove(path string) (Store, bool) {
	for dir := path; ; dir = filepath.Dir(dir) {
		switch {
		case looksLikeContainerd(dir):
			if outer, ok := storeAbove(filepath.Dir(dir)); ok && dir != "/" {
				return outer, true // one that dockerd runs, inside the data-root
			}
			return Store{Containerd, dir}, true
		case looksLikeDataRoot(dir):
			if remapped.MatchString(filepath.Base(dir)) && looksLikeDataRoot(filepath.Dir(dir)) {
				return Store{DataRoot, filepath.Dir(dir)}, true
			}
			return Store{DataRoot, dir}, true
		case dir == "/" || dir == ".":
			return Store{}, false
		}
	}
}
