package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime"

	"davit/backup"
	"davit/backup/agent"
	"davit/engine"

	"github.com/urfave/cli/v2"
)

// agentSubcommand makes davit the agent in a helper container.
const agentSubcommand = "__agent"

// When helper containers are used.
const (
	agentAuto   = "auto" // where the engine's files are not reached otherwise
	agentAlways = "always"
	agentNever  = "never"
)

// agentCommand is what davit runs itself as in a container on the engine's machine. Nobody else calls it.
func (h *host) agentCommand() *cli.Command {
	return &cli.Command{
		Name:   agentSubcommand,
		Hidden: true,
		Action: func(*cli.Context) error { return backup.ServeAgent(h.in, h.out, thisBuild().Version) },
	}
}

// agentFlags say how the files of an engine on another machine are reached.
func agentFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "agent", Value: agentAuto, EnvVars: []string{"DAVIT_AGENT"},
			Usage: "reach volumes by a helper container: `WHEN` the engine is elsewhere (auto), always, or never: as docker cp, which keeps less"},
		&cli.StringFlag{Name: "agent-binary", EnvVars: []string{"DAVIT_AGENT_BINARY"},
			Usage: "`FILE` with a static Linux davit for the engine's machine, where this one does not fit"},
	}
}

// withAgents lets env start helper containers as the flags say. The caller calls close.
func (h *host) withAgents(c *cli.Context, env *backup.Env, eng *engine.Engine) (close func(), err error) {
	when := c.String("agent")
	switch when {
	case agentNever, agentAlways, agentAuto, "":
	default:
		return nil, misuse(c, "unknown value for --agent: "+when, "auto, always or never")
	}
	if file := c.String("agent-binary"); file != "" {
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			return nil, misuse(c, "--agent-binary is no file: "+file, "a static Linux davit for the engine's machine")
		}
	}
	l := agent.NewLauncher(agent.LaunchOptions{
		Engine:   eng,
		Program:  func(arch string) (string, error) { return agentProgram(c.String("agent-binary"), arch) },
		Args:     []string{agentSubcommand},
		StateDir: env.StateDir,
		Rand:     rand.Reader,
	})
	holding := helperHolding(env, eng)
	env.Mount = holding.Mount
	if env.AlwaysAgents = when == agentAlways; when != agentNever {
		env.Agents = l
	} else {
		env.Copy = func(ctx context.Context, volume string, write bool) (backup.VolumeCopier, error) {
			return holding.Copy(ctx, volume, write)
		}
	}
	return func() {
		if err := l.Close(context.WithoutCancel(c.Context)); err != nil {
			text := &textWriter{w: h.err}
			text.linef("warning: %s; davit recover does it", oneLine(err))
		}
	}, nil
}

// helperHolding makes helpers that hold a volume.
func helperHolding(env *backup.Env, eng *engine.Engine) *agent.Holding {
	return &agent.Holding{Engine: eng, StateDir: env.StateDir, Rand: env.Rand}
}

// agentProgram is the file that runs in a helper container: the one that is named, a davit-linux-ARCH beside this
// program, or this program. Whether it fits is seen by the engine package.
func agentProgram(named, arch string) (string, error) {
	if named != "" {
		return named, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if names := map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}; names[arch] != "" {
		arch = names[arch]
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == arch {
		return self, nil
	}
	beside := filepath.Join(filepath.Dir(self), "davit-linux-"+arch)
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	return self, nil
}

// recoverAgents removes helper containers that a killed run left; n counts them.
func (h *host) recoverAgents(c *cli.Context) (n int, err error) {
	return agent.Recover(c.Context, global(c, "state-dir"), engine.Reconnect)
}
