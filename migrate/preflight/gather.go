package preflight

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"davit/engine"
	"davit/engine/daemonjson"
	"davit/engine/hostfs"
	"davit/engine/service"
	"davit/engine/systemd"
)

// facts is everything that judge goes by. What could not be found out is empty, and a fact that stands in the way of
// finding out more says so: see early.
type facts struct {
	euid     int
	systemd  bool
	reach    error  // why the engine does not answer
	remote   string // why its files are not this host's
	info     engine.Info
	selinux  bool // enforcing
	engineAt place
	others   []string // containerd namespaces, not the engine's, in which something runs

	unit   systemd.Unit
	args   []string // of dockerd's process
	file   *daemonjson.File
	config error // why daemon.json cannot be read

	configTarget string   // daemon.json, links followed
	conflicts    []string // settings that come by flag and file

	containers []Container
	binds      []bind
	volumes    []engine.Volume
	mounts     []hostfs.Mount
	storeAsked string // what the request leaves out or cannot get, in words
	stores     []storeFacts
	dests      []destFacts
}

type storeFacts struct {
	Store
	problem  string        // why it cannot be moved
	unread   int           // files that could not be looked at
	problems string        // the first of them
	walk     time.Duration // how long it took to look at all
	free     uint64        // bytes left beside it
}

// gather finds the facts out. It stops early where going on would make no sense.
func gather(ctx context.Context, h Host, r Request) (*facts, error) {
	f := &facts{euid: h.EUID, systemd: h.Units != nil, reach: h.Reach}
	if f.euid != 0 || !f.systemd || h.Docker == nil {
		return f, ctx.Err()
	}
	for _, step := range []func(context.Context, Host, Request) error{
		f.askEngine, f.readService, f.findStores, f.readContainers, f.lookAtDestinations, f.measure,
	} {
		err := step(ctx, h, r)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			f.reach = err
			return f, nil
		}
		if f.early() {
			return f, nil
		}
	}
	return f, nil
}

// early tells that nothing else is worth looking at: it would not be about the engine of this host.
func (f *facts) early() bool {
	return f.reach != nil || f.remote != "" || f.info.Rootless || f.unit.MainPID == 0 && f.unit.Name != "" || f.engineAt.problem != ""
}

func (f *facts) askEngine(ctx context.Context, h Host, _ Request) (err error) {
	if f.info, err = h.Docker.Info(ctx); err != nil {
		return err
	}
	if local, why := h.Docker.Local(ctx); !local {
		f.remote = why
		return nil
	}
	enforce, err := os.ReadFile("/sys/fs/selinux/enforce")
	f.selinux = err == nil && strings.TrimSpace(string(enforce)) == "1"
	f.volumes, err = h.Docker.Volumes(ctx)
	if err != nil {
		return err
	}
	f.mounts, err = hostfs.Mounts()
	return err
}

// readService finds the unit that runs the engine, and where its data-root is written.
func (f *facts) readService(ctx context.Context, h Host, _ Request) error {
	for _, name := range service.Names() {
		unit, err := h.Units.Unit(ctx, name)
		if err != nil {
			return err
		}
		if f.unit.Name == "" || unit.MainPID != 0 {
			f.unit = unit
		}
		if unit.MainPID != 0 {
			break
		}
	}
	if f.unit.MainPID == 0 {
		return nil
	}
	if f.args, _ = service.Arguments(f.unit); f.args == nil {
		f.engineAt.problem = fmt.Sprintf("the process of %s (pid %d) is not dockerd", f.unit.Name, f.unit.MainPID)
		return nil
	}
	f.readConfig()
	f.engineAt = dataRootPlace(f.args, f.unit, f.file)
	if f.engineAt.path == "" {
		return nil
	}
	real, err := filepath.EvalSymlinks(f.engineAt.path)
	if err != nil {
		f.engineAt.problem = fmt.Sprintf("look at the data-root: %v", err)
		return nil
	}
	f.engineAt.real = real
	if _, planned := service.Arguments(f.unit); f.config == nil && dataRootPlace(planned, f.unit, f.file).path != f.engineAt.path {
		f.engineAt.problem = fmt.Sprintf("%s was changed: it runs with the data-root %s, and would start with another one", f.unit.Name, f.engineAt.path)
	}
	if f.config == nil && f.configured() != f.info.DataRoot {
		f.engineAt.problem = fmt.Sprintf("%s is configured to use %s, but the engine that answers uses %s",
			f.unit.Name, f.engineAt.path, f.info.DataRoot)
	}
	return nil
}

// readConfig reads daemon.json, and what it contradicts: the unit may have changed since the engine was started.
func (f *facts) readConfig() {
	_, planned := service.Arguments(f.unit)
	flags := daemonjson.Flags(planned)
	path := daemonjson.Find(daemonjson.Flags(f.args), daemonjson.DefaultPath)
	f.configTarget, _ = filepath.EvalSymlinks(path)
	if f.file, f.config = daemonjson.Load(path); f.config != nil {
		f.file = nil
		return
	}
	for _, c := range f.file.Conflicts(flags) {
		f.conflicts = append(f.conflicts, service.Conflict(c).Text(path))
	}
}

// ConfigDigest stands for a configuration file as it was read: another content, or none, has another one.
func ConfigDigest(f *daemonjson.File) string {
	if !f.Exists() {
		return "none"
	}
	sum := sha256.Sum256(f.Original())
	return hex.EncodeToString(sum[:])
}

// configured is what the engine should call its data-root.
func (f *facts) configured() string {
	if sub := userNSFolder(f.info); sub != "" {
		return filepath.Join(f.engineAt.real, sub)
	}
	return f.engineAt.real
}

// userNSFolder is the sub-folder, "231072.231072", that an engine with userns-remap works in.
func userNSFolder(info engine.Info) string {
	if !info.UserNS {
		return ""
	}
	return filepath.Base(info.DataRoot)
}
