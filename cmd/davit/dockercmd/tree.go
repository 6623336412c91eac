package dockercmd

import (
	_ "github.com/docker/cli/cli"
	_ "github.com/docker/cli/cli/command"
	_ "github.com/docker/cli/cli/command/container"
	_ "github.com/docker/cli/cli/command/image"
	_ "github.com/docker/cli/cli/command/network"
	_ "github.com/docker/cli/cli/command/registry"
	_ "github.com/docker/cli/cli/command/system"
	_ "github.com/docker/cli/cli/command/volume"
)
