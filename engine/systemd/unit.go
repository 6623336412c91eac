package systemd

import (
	"context"
	"fmt"
	"time"
)

// Unit is what a manager says of one unit.
type Unit struct {
	Name        string
	Description string
	Load        string   // loaded, not-found, masked, bad-setting, error
	LoadError   string   // why, when Load is error or bad-setting
	Active      string   // active, reloading, inactive, failed, activating, deactivating
	Sub         string   // the same in finer words: running, dead, auto-restart, …
	File        string   // enabled, disabled, static, masked, masked-runtime, …; "" without a file
	Fragment    string   // the unit file
	DropIns     []string // files that add to it
	NeedReload  bool     // the files have changed since the manager read them
	TriggeredBy []string // units that start this one: sockets, timers, paths
	Since       time.Time

	// Of services:
	MainPID  int
	Restarts int        // how often the manager has started it again by itself
	Result   string     // success, or how it ended: exit-code, signal, timeout, start-limit-hit, …
	Exec     [][]string // the arguments of each ExecStart line, variables as they are written
	Notify   bool       // says itself when it is ready
	Env      []string   // "KEY=value"
	EnvFiles []string   // files with more of them; later ones win

	Listen []string // addresses, of sockets
}

// Exists tells whether the manager found a unit file.
func (u *Unit) Exists() bool { return u.Load != "not-found" }

// Masked tells whether the unit was made impossible to start.
func (u *Unit) Masked() bool { return u.Load == "masked" }

// Up tells whether the unit is started, or on its way there or down.
func (u *Unit) Up() bool { return u.Active != "inactive" && u.Active != "failed" }

// Unit asks for one unit. One that does not exist is no error: see [Unit.Exists].
func (c *Conn) Unit(ctx context.Context, name string) (Unit, error) {
	p, err := c.bus.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return Unit{}, fmt.Errorf("ask systemd about %s: %w", name, err)
	}
	props := properties(p)
	u := Unit{
		Name:        name,
		Description: props.text("Description"),
		Load:        props.text("LoadState"),
		LoadError:   props.loadError(),
		Active:      props.text("ActiveState"),
		Sub:         props.text("SubState"),
		File:        props.text("UnitFileState"),
		Fragment:    props.text("FragmentPath"),
		DropIns:     props.texts("DropInPaths"),
		NeedReload:  props.flag("NeedDaemonReload"),
		TriggeredBy: props.texts("TriggeredBy"),
		MainPID:     int(props.number("MainPID")),
		Restarts:    int(props.number("NRestarts")),
		Result:      props.text("Result"),
		Exec:        props.exec("ExecStart"),
		Notify:      props.text("Type") == "notify" || props.text("Type") == "notify-reload",
		Env:         props.texts("Environment"),
		EnvFiles:    props.firsts("EnvironmentFiles"),
		Listen:      props.listen(),
	}
	u.Since = props.since(u.Active)
	return u, nil
}

// properties are a unit's, by name. One that a manager does not have is its zero value.
type properties map[string]any

func (p properties) text(name string) string    { s, _ := p[name].(string); return s }
func (p properties) texts(name string) []string { s, _ := p[name].([]string); return s }
func (p properties) flag(name string) bool      { b, _ := p[name].(bool); return b }

func (p properties) number(name string) uint64 {
	switch n := p[name].(type) {
	case uint32:
		return uint64(n)
	case uint64:
		return n
	}
	return 0
}

// since is when the unit entered its state. A reload does not count.
func (p properties) since(active string) time.Time {
	name := "StateChangeTimestamp"
	switch active {
	case "active", "reloading":
		name = "ActiveEnterTimestamp"
	case "inactive", "failed":
		name = "InactiveEnterTimestamp"
	}
	if usec := p.number(name); usec > 0 {
		return time.UnixMicro(int64(usec))
	}
	return time.Time{}
}

// loadError is the message of a pair of D-Bus error name and message.
func (p properties) loadError() string {
	pair, _ := p["LoadError"].([]any)
	if len(pair) < 2 {
		return ""
	}
	s, _ := pair[1].(string)
	return s
}

// exec reads a list of commands: (path, arguments, …).
func (p properties) exec(name string) [][]string {
	commands, _ := p[name].([][]any)
	var all [][]string
	for _, c := range commands {
		if len(c) < 2 {
			continue
		}
		if args, ok := c[1].([]string); ok {
			all = append(all, args)
		}
	}
	return all
}

// firsts reads the first text of each item of a list.
func (p properties) firsts(name string) []string {
	items, _ := p[name].([][]any)
	var all []string
	for _, i := range items {
		if len(i) == 0 {
			continue
		}
		if s, ok := i[0].(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// listen reads a socket's addresses: (type, address).
func (p properties) listen() []string {
	pairs, _ := p["Listen"].([][]any)
	var all []string
	for _, l := range pairs {
		if len(l) < 2 {
			continue
		}
		if address, ok := l[1].(string); ok {
			all = append(all, address)
		}
	}
	return all
}
