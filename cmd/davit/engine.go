package main

import (
	"cmp"
	"context"
	"path/filepath"
	"strconv"
	"time"

	"davit/engine"
	"davit/engine/daemonjson"
	"davit/engine/initscript"
	"davit/engine/service"
	"davit/engine/systemd"

	"github.com/urfave/cli/v2"
)

func (h *host) engineCommand() *cli.Command {
	return &cli.Command{
		Name:     "engine",
		Category: maintenance,
		Usage:    "Start and stop the engine's service, and see how it is",
		Description: paragraph("The engine as systemd runs it on this host, whatever --host and --context say: docker.service " +
			"with its docker.socket, which starts the service again at the next call of anybody unless it is stopped as well. " +
			"Without root privileges it is the engine of the user, if there is one. " +
			"Without systemd it is what OpenRC, or a script in /etc/init.d, starts as docker."),
		Subcommands: []*cli.Command{
			h.engineStartCommand(),
			h.engineStopCommand(),
			h.engineRestartCommand(),
			h.engineReloadCommand(),
			h.engineEnableCommand(),
			h.engineDisableCommand(),
			h.engineStatusCommand(),
		},
	}
}

func unitFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "unit", EnvVars: []string{"DAVIT_ENGINE_UNIT"}, Usage: "`UNIT` that runs the engine (default: docker.service)"},
		&cli.BoolFlag{Name: "user", Usage: "the engine of the user, run by the user's own systemd"},
		jsonFlag(),
	}
}

// jobFlags are those of commands that wait for systemd.
func jobFlags(more ...cli.Flag) []cli.Flag {
	return append(append(unitFlags(), &cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute,
		Usage: "how long to wait, `DURATION`; what was begun goes on after it"}), more...)
}

func rmLossFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-rm-loss", Usage: "stop it although that deletes --rm containers"}
}

// findService connects to what runs this host and finds the engine's service.
func (h *host) findService(c *cli.Context) (s *service.Service, closeBus func(), err error) {
	if !systemd.Running() {
		return h.findScript(c)
	}
	names := service.Names()
	if c.String("unit") != "" {
		names = []string{service.UnitName(c.String("unit"))}
	}
	if c.Bool("user") || h.euid != 0 {
		s, closeBus, err = h.findUserService(c.Context, names)
		if err == nil || c.Bool("user") {
			return s, closeBus, err
		}
	}
	conn, err := systemd.Connect(c.Context)
	if err != nil {
		return nil, nil, err
	}
	return found(c.Context, conn, conn.Close, usualEngine(), h.now, names)
}

func usualEngine() service.Usual {
	return service.Usual{ConfigFile: daemonjson.DefaultPath, DataRoot: "/var/lib/docker", Socket: "/var/run/docker.sock"}
}

// findScript finds the engine's init script, on a host without systemd.
func (h *host) findScript(c *cli.Context) (*service.Service, func(), error) {
	scripts, ok := initscript.Find("/")
	if !ok || c.Bool("user") {
		return nil, nil, errNoSystemd
	}
	return found(c.Context, scripts, func() {}, usualEngine(), h.now, []string{cmp.Or(c.String("unit"), "docker")})
}

func (h *host) findUserService(ctx context.Context, names []string) (*service.Service, func(), error) {
	config, data, run := h.xdg("XDG_CONFIG_HOME", ".config"), h.xdg("XDG_DATA_HOME", ".local/share"), h.getenv("XDG_RUNTIME_DIR")
	if run == "" {
		run = filepath.Join("/run/user", strconv.Itoa(h.euid))
	}
	conn, err := systemd.ConnectUser(ctx, run, config)
	if err != nil {
		return nil, nil, err
	}
	return found(ctx, conn, conn.Close, service.Usual{
		ConfigFile: filepath.Join(config, "docker", "daemon.json"),
		DataRoot:   filepath.Join(data, "docker"),
		Socket:     filepath.Join(run, "docker.sock"),
	}, h.now, names)
}

func (h *host) xdg(variable, fallback string) string {
	if dir := h.getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(h.getenv("HOME"), fallback)
}

func found(ctx context.Context, m service.Manager, closeBus func(), u service.Usual, now func() time.Time, names []string) (*service.Service, func(), error) {
	s, err := service.Find(ctx, m, u, now, names...)
	if err != nil {
		closeBus()
		return nil, nil, err
	}
	return s, closeBus, nil
}

// callTime is how long the engine may take to answer when its service is looked at.
const callTime = 10 * time.Second

// callEngine connects to the engine of a service, to which the flags of the command line do not apply.
func callEngine(ctx context.Context, endpoint string) (*engine.Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return engine.Connect(ctx, engine.Target{Host: endpoint})
}
