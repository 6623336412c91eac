package diskscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// storeReader reads what Docker's own files say. What it cannot read it notes and goes on.
type storeReader struct {
	path     string // of the data-root
	problems []Problem
}

func (r *storeReader) problem(path string, err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problems = append(r.problems, Problem{Path: path, Reason: err.Error()})
	}
}

func (r *storeReader) at(parts ...string) string {
	return filepath.Join(append([]string{r.path}, parts...)...)
}

// maxDocument bounds what is read of one of Docker's JSON files.
const maxDocument = 64 << 20

func (r *storeReader) readFile(path string) []byte {
	file, err := os.Open(path)
	if err != nil {
		r.problem(path, err)
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		r.problem(path, fmt.Errorf("%s is not a regular file", path))
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(file, maxDocument))
	r.problem(path, err)
	return data
}

// readJSON reports whether the file is there and could be read.
func (r *storeReader) readJSON(path string, into any) bool {
	data := r.readFile(path)
	if data == nil {
		return false
	}
	if err := json.Unmarshal(data, into); err != nil {
		r.problem(path, fmt.Errorf("read %s: %w", path, err))
		return false
	}
	return true
}

// word reads a file that holds one word.
func (r *storeReader) word(path string) string { return strings.TrimSpace(string(r.readFile(path))) }

// names lists a folder.
func (r *storeReader) names(path string) []string {
	entries, err := os.ReadDir(path)
	r.problem(path, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// facts reads the containers and volumes; images are read with their layers.
func (r *storeReader) facts() *Facts {
	f := &Facts{}
	for _, id := range r.names(r.at("containers")) {
		if c, ok := r.container(id); ok {
			f.Containers = append(f.Containers, c)
		}
	}
	f.Volumes = r.volumes()
	return f
}

// containerConfig is config.v2.json as far as it matters here.
type containerConfig struct {
	ID, Name, Image, LogPath string
	State                    struct {
		Running, Paused, Restarting, RemovalInProgress, Dead bool
		StartedAt                                            time.Time
	}
	MountPoints map[string]struct{ Type, Name, Source string }
}

func (c *containerConfig) state() string {
	s := &c.State
	switch {
	case s.Running && s.Paused:
		return "paused"
	case s.Running && s.Restarting:
		return "restarting"
	case s.Running:
		return "running"
	case s.RemovalInProgress:
		return "removing"
	case s.Dead:
		return "dead"
	case s.StartedAt.IsZero():
		return "created"
	}
	return "exited"
}

// hostConfig is hostconfig.json as far as it matters here.
type hostConfig struct {
	LogConfig struct {
		Type   string
		Config map[string]string
	}
}

func (r *storeReader) container(id string) (ContainerFacts, bool) {
	var conf containerConfig
	var host hostConfig
	if !r.readJSON(r.at("containers", id, "config.v2.json"), &conf) || conf.ID != id {
		return ContainerFacts{}, false
	}
	r.readJSON(r.at("containers", id, "hostconfig.json"), &host)
	c := ContainerFacts{
		ID: id, Name: strings.TrimPrefix(conf.Name, "/"), ImageID: conf.Image, State: conf.state(),
		LogDriver: host.LogConfig.Type, LogLimited: logLimited(host.LogConfig.Type, host.LogConfig.Config), LogPath: conf.LogPath,
	}
	for _, m := range conf.MountPoints {
		switch {
		case m.Name != "":
			c.Volumes = append(c.Volumes, m.Name)
		case m.Type == "bind" || m.Type == "":
			c.Binds = append(c.Binds, m.Source)
		}
	}
	return c, true
}

// logLimited reports whether a driver's files stay below some size.
func logLimited(driver string, options map[string]string) bool {
	if driver != "json-file" {
		return true
	}
	size := options["max-size"]
	return size != "" && size != "-1"
}

// volumes reads the engine's database of volumes; folders that are not in it are volumes as well.
func (r *storeReader) volumes() []VolumeFacts {
	known := map[string]bool{}
	path := r.at("volumes", "metadata.db")
	r.problem(path, readBolt(path, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("volumes"))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(name, value []byte) error {
			var v struct{ Labels map[string]string }
			_ = json.Unmarshal(value, &v) // older engines wrote less, and without labels nothing follows from it
			_, marked := v.Labels["com.docker.volume.anonymous"]
			known[string(name)] = marked
			return nil
		})
	}))
	var all []VolumeFacts
	for _, name := range r.names(r.at("volumes")) {
		if name != "metadata.db" && name != "backingFsBlockDev" {
			all = append(all, VolumeFacts{Name: name, Anonymous: known[name] || isHexID(name)})
		}
	}
	return all
}

// claim gives the places of a data-root to their owners, all but the image layers.
func (r *storeReader) claim(m *PlaceMap, x *index) {
	engine := func(name string) Owner { return Owner{Kind: EngineFiles, Name: name} }
	for _, name := range []string{"network", "runtimes", "trust", "engine-id", "rootfs", "image", "containers", "volumes", "nuke-graph-directory.sh"} {
		m.Claim(name, engine("metadata"))
	}
	m.Claim("swarm", Owner{Kind: Swarm, Name: "state"})
	m.Claim("plugins", Owner{Kind: Plugin, Name: "metadata"})
	m.Claim("tmp", Owner{Kind: Leftover, Name: "temporary files"})
	m.ClaimPrefix("", "tmp-", Owner{Kind: Leftover, Name: "temporary files"}) // the engine empties tmp in the background
	m.Claim("buildkit", Owner{Kind: BuildCache, Name: "metadata"})
	m.Claim("buildkit/content", Owner{Kind: BuildCache, Name: "build cache"})
	m.Claim("builder", Owner{Kind: BuildCache, Name: "build cache"})
	for _, name := range r.names(r.at("containers")) {
		r.claimContainer(m, x, name)
	}
	for _, name := range r.names(r.at("volumes")) {
		if name != "metadata.db" && name != "backingFsBlockDev" {
			m.Claim("volumes/"+name, x.volumeOwner(name))
		}
	}
	r.claimPlugins(m)
}

func (r *storeReader) claimContainer(m *PlaceMap, x *index, id string) {
	dir := "containers/" + id
	if x.containers[id] == nil {
		m.Claim(dir, Owner{Kind: Leftover, Name: "container " + shortID(id) + " without a definition", ID: id})
		return
	}
	m.Claim(dir, x.containerOwner(ContainerFiles, id))
	log := x.containerOwner(Log, id)
	m.ClaimPrefix(dir, id+"-json.log", log)
	m.Claim(dir+"/local-logs", log)
	m.ClaimPrefix(dir, "container-cached.log", log) // what `docker logs` keeps for other drivers
}

// claimPlugins names the plugins by their folders, and by what they were unpacked from.
func (r *storeReader) claimPlugins(m *PlaceMap) {
	for _, id := range r.names(r.at("plugins")) {
		var conf struct {
			Plugin           struct{ Name string } `json:"plugin"`
			Config, Manifest string
			Blobsums         []string
		}
		if !isHexID(id) || !r.readJSON(r.at("plugins", id, "config.json"), &conf) || conf.Plugin.Name == "" {
			continue
		}
		owner := Owner{Kind: Plugin, Name: conf.Plugin.Name, ID: id}
		m.Claim("plugins/"+id, owner)
		for _, digest := range append(conf.Blobsums, conf.Config, conf.Manifest) {
			if hex, ok := strings.CutPrefix(digest, "sha256:"); ok && isHexID(hex) {
				m.Claim("plugins/storage/blobs/sha256/"+hex, owner)
			}
		}
	}
}

// remapped is how the data-root of an engine with a user namespace is called, inside the plain one.
var remapped = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)

// looksLikeDataRoot reports whether an engine has worked on the folder.
func looksLikeDataRoot(path string) bool {
	return isFolder(filepath.Join(path, "containers")) && isFolder(filepath.Join(path, "volumes")) &&
		(isFolder(filepath.Join(path, "image")) || isFolder(filepath.Join(path, "network")) || isFolder(filepath.Join(path, "buildkit")))
}

// mapDataRoot says who owns what in a data-root.
func mapDataRoot(path string, live *Facts) (*PlaceMap, *Facts, []Problem) {
	r := &storeReader{path: path}
	m := NewPlaceMap(Owner{Kind: EngineFiles, Name: "metadata"})
	m.ClaimPrefix("", "", Owner{Kind: Unknown, Name: "in the data-root"})
	facts := r.facts()
	drivers := r.drivers()
	for _, d := range drivers {
		facts.Images = append(facts.Images, d.images...)
	}
	if live != nil {
		facts.Freshen(*live)
	}
	x := facts.index()
	r.claim(m, x)
	for _, d := range drivers {
		d.claim(m, x)
	}
	for _, name := range r.names(path) {
		if sub := filepath.Join(path, name); remapped.MatchString(name) && looksLikeDataRoot(sub) {
			inner, more, problems := mapDataRoot(sub, live)
			m.graft(name, inner)
			facts.add(more)
			r.problems = append(r.problems, problems...)
		}
	}
	if sub := filepath.Join(path, "containerd", "daemon"); looksLikeContainerd(sub) {
		m.Claim("containerd", Owner{Kind: ContainerdFiles, Name: "metadata"})
		inner, images, problems := mapContainerd(sub, facts, live)
		m.graft("containerd/daemon", inner)
		facts.Images = append(facts.Images, images...)
		r.problems = append(r.problems, problems...)
	}
	return m, facts, r.problems
}

func (f *Facts) add(more *Facts) {
	f.Containers = append(f.Containers, more.Containers...)
	f.Images = append(f.Images, more.Images...)
	f.Volumes = append(f.Volumes, more.Volumes...)
}
