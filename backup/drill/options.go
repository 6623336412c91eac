package drill

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"davit/backup"
	"davit/backup/hook"
	"davit/engine"
)

// DefaultTimeout is how long each container may take to be ready.
const DefaultTimeout = 5 * time.Minute

// DefaultPatience is how long a container may end, or fail a probe, again and again: what needs a while, such as a database that
// opens its port, has come by then.
const DefaultPatience = 30 * time.Second

// Options is the whole input of Make beside the host and the repository.
type Options struct {
	Spec     string // snapshot: "latest", an id, or the beginning of one
	Host     string // whose "latest"; "" is this host
	Job      string // of which job; "" is any
	Projects []string
	Volumes  []string // only these volumes, without containers
	Probes   []Probe
	// Labels are those that steer davit for containers by name, as in backup.CreateOptions; they go before saved ones.
	Labels    map[string]map[string]string
	TargetRTO time.Duration // 0: none
	TargetRPO time.Duration // 0: none
	Timeout   time.Duration // for each container to be ready; 0 is DefaultTimeout
	Patience  time.Duration // how long it may end or fail its probes, over and over, until that is its answer; 0 is DefaultPatience
	Keep      bool          // a failed drill leaves what it made, for somebody to look at
}

// Where a probe comes from.
const (
	FromFlag  = "flag"
	FromJob   = "job"
	FromLabel = "label " + LabelProbe
	FromApp   = "label " + backup.LabelApp
)

// LabelProbe is the label of a container whose value is a probe. It counts only when it is the container's own.
const LabelProbe = "davit.drill.probe"

// Probe is a command that proves that a container works.
type Probe struct {
	Container string `json:"container"`
	From      string `json:"from"`
	Text      string `json:"command"`

	command hook.Command
}

// ParseProbe reads CONTAINER=COMMAND. A line is for the container's /bin/sh; a JSON list is run without a shell.
func ParseProbe(text, from string) (Probe, error) {
	container, command, ok := strings.Cut(text, "=")
	if !ok || container == "" {
		return Probe{}, &backup.UsageError{Reason: fmt.Sprintf("%q is no probe", text), Hint: "a probe is CONTAINER=COMMAND: --probe web='wget -q -O- http://localhost/'"}
	}
	c, some, err := hook.ParseCommand(command)
	if err != nil {
		return Probe{}, &backup.UsageError{Reason: fmt.Sprintf("probe of %s: %v", container, err)}
	}
	if !some {
		return Probe{}, &backup.UsageError{Reason: fmt.Sprintf("probe of %s has no command", container)}
	}
	return Probe{Container: container, From: from, Text: c.Text, command: c}, nil
}

// Engine is what a drill needs of an engine beside what a restore does.
type Engine interface {
	hook.Engine
	backup.Host
	InspectImage(ctx context.Context, ref string) (engine.Image, error)
	EndContainer(ctx context.Context, id string) error
	Tail(ctx context.Context, id string, lines int, out io.Writer) error
	RemoveNetwork(ctx context.Context, id string) error
	RemoveVolume(ctx context.Context, name string) error
	Untag(ctx context.Context, name string) error
}
