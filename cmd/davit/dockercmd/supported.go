package dockercmd

import (
	"errors"
	"fmt"

	"github.com/docker/cli/cli/command"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/versions"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// supported reports whether the engine knows a command and the flags it was given; the library notes with each what
// it needs. The engine is asked only when something is noted.
func supported(c *cobra.Command, engine *command.DockerCli) error {
	for up := c; up != nil; up = up.Parent() {
		if why := missing(up.Annotations["version"], up.Annotations["ostype"], engine); why != "" {
			return fmt.Errorf("%s %s", c.CommandPath(), why)
		}
	}
	var problems []error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Changed || len(f.Annotations) == 0 {
			return
		}
		if why := missing(noted(f, "version"), noted(f, "ostype"), engine); why != "" {
			problems = append(problems, fmt.Errorf(`"--%s" %s`, f.Name, why))
		} else if hasNote(f, "experimental") && !engine.ServerInfo().HasExperimental {
			problems = append(problems, fmt.Errorf(`"--%s" is only supported on a Docker daemon with experimental features enabled`, f.Name))
		}
	})
	return errors.Join(problems...)
}

// missing says what an engine lacks for something that needs an API version or an operating system.
func missing(version, system string, engine *command.DockerCli) string {
	if version != "" && versions.LessThan(engine.CurrentVersion(), version) {
		return fmt.Sprintf("requires API version %s, but the Docker daemon API version is %s", version, engine.CurrentVersion())
	}
	if system != "" {
		if has := engine.ServerInfo().OSType; has != "" && has != system {
			return fmt.Sprintf("is only supported on a Docker daemon running on %s, but the Docker daemon is running on %s", system, has)
		}
	}
	return ""
}

// hideMissing takes out of a help page what the engine does not know or is not set up for.
func hideMissing(c *cobra.Command, engine *command.DockerCli) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if len(f.Annotations) > 0 && (missing(noted(f, "version"), noted(f, "ostype"), engine) != "" ||
			hasNote(f, "experimental") && !engine.ServerInfo().HasExperimental || noSwarm(noted(f, "swarm"), engine)) {
			f.Hidden = true
		}
	})
	for _, below := range c.Commands() {
		if missing(below.Annotations["version"], below.Annotations["ostype"], engine) != "" {
			below.Hidden = true
		}
	}
}

// noSwarm reports whether the engine is certainly not the member of a swarm that something needs it to be.
func noSwarm(needs string, engine *command.DockerCli) bool {
	status := engine.ServerInfo().SwarmStatus
	switch {
	case status == nil:
		return false
	case needs == "manager":
		return !status.ControlAvailable
	case needs == "active":
		return status.NodeState == swarm.LocalNodeStateInactive
	}
	return false
}

func hasNote(f *pflag.Flag, what string) bool {
	_, ok := f.Annotations[what]
	return ok
}

func noted(f *pflag.Flag, what string) string {
	if values := f.Annotations[what]; len(values) > 0 {
		return values[0]
	}
	return ""
}
