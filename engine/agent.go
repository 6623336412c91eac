package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// AgentSpec is a container that runs an agent's program.
type AgentSpec struct {
	Args   []string
	Mounts []AgentMount
	Write  bool   // mounts are writable, and the program may give files any owner and metadata
	Run    string // value of LabelHelper, by which RemoveHelpers finds the container
}

// AgentMount is a volume, or a path of the engine's host, at a path in the container.
type AgentMount struct {
	Volume string
	Source string // when Volume is ""
	Target string
}

// Agent is a running container, spoken with over its standard input and output.
type Agent struct {
	In  io.Writer
	Out io.Reader

	engine *Engine
	id     string
	stream types.HijackedResponse
	said   *tail
}

// Start runs the program in a container without a network, with a file system that cannot be written beside the
// mounts, and with no more capabilities than its work needs. The engine removes the container when it ends, which it
// does when its input does: with Close, and with this process. A missing source is made with Write, and else an error.
func (i *AgentImage) Start(ctx context.Context, s AgentSpec) (*Agent, error) {
	e := i.engine
	created, err := e.api.ContainerCreate(ctx, i.config(s), i.hostConfig(s), nil, nil, "")
	if IsNotFound(err) { // another davit has just removed the image that both used
		if err := i.provide(ctx); err != nil {
			return nil, err
		}
		created, err = e.api.ContainerCreate(ctx, i.config(s), i.hostConfig(s), nil, nil, "")
	}
	if err != nil {
		return nil, e.wrap(err, "make a helper container")
	}
	a := &Agent{engine: e, id: created.ID, said: &tail{}}
	a.stream, err = e.api.ContainerAttach(ctx, a.id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err == nil {
		a.In, a.Out = a.stream.Conn, &demux{r: bufio.NewReaderSize(a.stream.Reader, 64<<10), said: a.said}
		err = e.api.ContainerStart(ctx, a.id, container.StartOptions{})
	}
	if err != nil {
		return nil, errors.Join(e.wrap(err, "start a helper container"), a.Close(context.WithoutCancel(ctx)))
	}
	return a, nil
}

func (i *AgentImage) config(s AgentSpec) *container.Config {
	return &container.Config{
		Image: i.name, Cmd: s.Args, User: "0:0", Labels: map[string]string{LabelHelper: s.Run}, NetworkDisabled: true,
		AttachStdin: true, AttachStdout: true, AttachStderr: true, OpenStdin: true, StdinOnce: true,
	}
}

// agentCaps are what reading takes, and what writing takes beside it. trusted.* attributes are only seen, and only set,
// with SYS_ADMIN; without it they would be lost and nobody would know.
func agentCaps(write bool) []string {
	caps := []string{"DAC_READ_SEARCH", "SYS_ADMIN"}
	if write {
		caps = append(caps, "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP")
	}
	return caps
}

func (i *AgentImage) hostConfig(s AgentSpec) *container.HostConfig {
	h := &container.HostConfig{
		AutoRemove: true, NetworkMode: "none", ReadonlyRootfs: true,
		CapDrop: []string{"ALL"}, CapAdd: agentCaps(s.Write),
		// The files of all containers: SELinux would keep a container from those of others.
		SecurityOpt: []string{"no-new-privileges", "label=disable"},
		// What it says are the data themselves.
		LogConfig: container.LogConfig{Type: "none"},
	}
	if i.userNS {
		h.UsernsMode = "host" // owners as they are on the disk
	}
	for _, m := range s.Mounts {
		switch {
		case m.Volume != "":
			h.Mounts = append(h.Mounts, mount.Mount{
				Type: mount.TypeVolume, Source: m.Volume, Target: m.Target, ReadOnly: !s.Write,
				VolumeOptions: &mount.VolumeOptions{NoCopy: true}, // an empty volume must stay empty
			})
		case s.Write: // this way the engine makes a missing source
			h.Binds = append(h.Binds, m.Source+":"+m.Target)
		default:
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: true})
		}
	}
	return h
}

// agentEndTime is how long an agent may take to end when its input has.
const agentEndTime = 10 * time.Second

// Close ends the agent and waits until its container is gone. It may be called again.
func (a *Agent) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if a.id == "" {
		return nil
	}
	gone, failed := a.engine.api.ContainerWait(ctx, a.id, container.WaitConditionRemoved)
	if a.stream.Conn != nil {
		_ = a.stream.CloseWrite() // when this fails the container is removed below
		a.stream.Close()
	}
	started := a.In != nil
	if started {
		select {
		case <-gone:
		case err := <-failed:
			if IsNotFound(err) {
				a.id = ""
				return nil
			}
		case <-time.After(agentEndTime):
		}
	}
	return a.remove(ctx)
}

// remove removes the container, and waits for the engine where that does so already: until then it uses its image.
func (a *Agent) remove(ctx context.Context) error {
	gone, failed := a.engine.api.ContainerWait(ctx, a.id, container.WaitConditionRemoved)
	err := a.engine.api.ContainerRemove(ctx, a.id, container.RemoveOptions{Force: true})
	a.id = ""
	if err == nil || IsNotFound(err) {
		return nil
	}
	if !IsConflict(err) {
		return a.engine.wrap(err, "remove a helper container")
	}
	select {
	case <-gone:
	case <-failed: // it is gone already
	case <-time.After(agentEndTime):
		return a.engine.wrap(err, "remove a helper container")
	}
	return nil
}

// Said is what the program said on its standard error, the end of it.
func (a *Agent) Said() string { return a.said.String() }

// demux reads a container's standard output out of the stream in which the engine sends both outputs. It keeps nothing,
// whatever lengths the engine names.
type demux struct {
	r    io.Reader
	said *tail
	left uint32 // of the piece of output that is read
}

func (d *demux) Read(p []byte) (int, error) {
	for d.left == 0 {
		var head [8]byte
		if _, err := io.ReadFull(d.r, head[:]); err != nil {
			return 0, err
		}
		size := binary.BigEndian.Uint32(head[4:])
		switch head[0] {
		case 1:
			d.left = size
		case 2:
			if _, err := io.CopyN(d.said, d.r, int64(size)); err != nil {
				return 0, err
			}
		default:
			return 0, fmt.Errorf("the engine sends what is no output of a container")
		}
	}
	if uint32(len(p)) > d.left {
		p = p[:d.left]
	}
	n, err := d.r.Read(p)
	d.left -= uint32(n)
	return n, err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if more := len(t.text) - tailSize; more > 0 {
		t.text = append(t.text[:0], t.text[more:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLine(string(t.text))
}
