package systemd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Running tells whether this host was booted with systemd, by the folder that systemd
// makes for this very question.
func Running() bool {
	fi, err := os.Lstat("/run/systemd/system")
	return err == nil && fi.IsDir()
}

// bus is what is needed of the library's connection.
type bus interface {
	GetAllPropertiesContext(ctx context.Context, unit string) (map[string]any, error)
	StartUnitContext(ctx context.Context, name, mode string, result chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, result chan<- string) (int, error)
	RestartUnitContext(ctx context.Context, name, mode string, result chan<- string) (int, error)
	ReloadUnitContext(ctx context.Context, name, mode string, result chan<- string) (int, error)
	StartTransientUnitContext(ctx context.Context, name, mode string, properties []dbus.Property, result chan<- string) (int, error)
	ResetFailedUnitContext(ctx context.Context, name string) error
	EnableUnitFilesContext(ctx context.Context, files []string, runtime, force bool) (bool, []dbus.EnableUnitFileChange, error)
	DisableUnitFilesContext(ctx context.Context, files []string, runtime bool) ([]dbus.DisableUnitFileChange, error)
	MaskUnitFilesContext(ctx context.Context, files []string, runtime, force bool) ([]dbus.MaskUnitFileChange, error)
	UnmaskUnitFilesContext(ctx context.Context, files []string, runtime bool) ([]dbus.UnmaskUnitFileChange, error)
	ReloadContext(ctx context.Context) error
	Close()
}

// Conn is a connection to a manager. Close it when done.
type Conn struct {
	bus     bus
	user    bool   // the manager is the caller's own
	dropIns string // the folder that holds the folders of drop-ins
}

// Connect connects to the manager of this host. The connection ends with ctx.
func Connect(ctx context.Context) (*Conn, error) {
	if os.Geteuid() == 0 {
		// The private socket works before the message bus does, and without it.
		if bus, err := dbus.NewSystemdConnectionContext(ctx); err == nil {
			return &Conn{bus: bus, dropIns: "/etc/systemd/system"}, nil
		}
	}
	bus, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return &Conn{bus: bus, dropIns: "/etc/systemd/system"}, nil
}

// ConnectUser connects to the manager of the calling user, by the private socket in
// runtimeDir (XDG_RUNTIME_DIR; "" is the usual place), so that no session bus is needed.
// configDir is the user's XDG_CONFIG_HOME. The connection ends with ctx.
func ConnectUser(ctx context.Context, runtimeDir, configDir string) (*Conn, error) {
	if runtimeDir == "" {
		runtimeDir = filepath.Join("/run/user", strconv.Itoa(os.Geteuid()))
	}
	socket := filepath.Join(runtimeDir, "systemd", "private")
	bus, err := dbus.NewConnection(func() (*godbus.Conn, error) { return dialPrivate(ctx, socket) })
	if err != nil {
		return nil, fmt.Errorf("connect to the user's systemd: %w", err)
	}
	return &Conn{bus: bus, user: true, dropIns: filepath.Join(configDir, "systemd", "user")}, nil
}

// dialPrivate connects to a manager's own socket, where there is no bus to say hello to.
func dialPrivate(ctx context.Context, socket string) (*godbus.Conn, error) {
	conn, err := godbus.Dial("unix:path="+godbus.EscapeBusAddressValue(socket), godbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// User tells whether this is a user's manager and not the host's.
func (c *Conn) User() bool { return c.user }

// Close ends the connection.
func (c *Conn) Close() { c.bus.Close() }
