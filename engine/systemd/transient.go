package systemd

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Transient describes a service that is made by a request and gone when it ends.
type Transient struct {
	Name        string   // with ".service"
	Description string   // one line, for people
	Exec        []string // program (absolute path) and arguments
	Env         []string // "KEY=value"; everybody on the host can read them
	OOMScore    int      // -1000 (never killed for memory) to 1000
	After       []string // units it starts after and is stopped before
	// ExecStopPost runs once Exec has ended, however that came: by itself, by a signal, for want of memory.
	ExecStopPost []string
	StopTime     time.Duration // what Exec and ExecStopPost each get to end; 0: the manager's usual time
}

// stopPost is a command as the bus writes it.
type stopPost struct {
	Path          string
	Args          []string
	IgnoreFailure bool
}

// StartTransient starts the service in a control group of its own, outside the caller's,
// and returns when it runs. It is stopped by its own end, by a stop of the unit, or at
// shutdown.
func (c *Conn) StartTransient(ctx context.Context, t Transient) error {
	props := []dbus.Property{
		dbus.PropDescription(t.Description),
		dbus.PropExecStart(t.Exec, false),
		// Without it a service that ended in failure stays loaded, and keeps its name taken.
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")},
		{Name: "OOMScoreAdjust", Value: godbus.MakeVariant(int32(t.OOMScore))},
	}
	if len(t.Env) > 0 {
		props = append(props, dbus.Property{Name: "Environment", Value: godbus.MakeVariant(t.Env)})
	}
	if len(t.After) > 0 {
		props = append(props, dbus.PropAfter(t.After...))
	}
	if len(t.ExecStopPost) > 0 {
		props = append(props, dbus.Property{Name: "ExecStopPost", Value: godbus.MakeVariant([]stopPost{{t.ExecStopPost[0], t.ExecStopPost, false}})})
	}
	if t.StopTime > 0 {
		props = append(props, dbus.Property{Name: "TimeoutStopUSec", Value: godbus.MakeVariant(uint64(t.StopTime / time.Microsecond))})
	}
	result := make(chan string, 1)
	if _, err := c.bus.StartTransientUnitContext(ctx, t.Name, "fail", props, result); err != nil {
		return fmt.Errorf("start unit %s: %w", t.Name, err)
	}
	select {
	case r := <-result:
		if r != "done" {
			return fmt.Errorf("start unit %s: job %s", t.Name, r)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start unit %s: %w", t.Name, ctx.Err())
	}
}
