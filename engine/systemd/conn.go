package systemd

import (
	"context"
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Running tells whether this host was booted with systemd, by the folder that systemd
// makes for this very question.
func Running() bool {
	fi, err := os.Lstat("/run/systemd/system")
	return err == nil && fi.IsDir()
}

// Conn is a connection to the manager. Close it when done.
type Conn struct{ bus *dbus.Conn }

// Connect connects to the manager of this host.
func Connect(ctx context.Context) (*Conn, error) {
	if os.Geteuid() == 0 {
		// The private socket works before the message bus does, and without it.
		if bus, err := dbus.NewSystemdConnectionContext(ctx); err == nil {
			return &Conn{bus}, nil
		}
	}
	bus, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return &Conn{bus}, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.bus.Close() }
