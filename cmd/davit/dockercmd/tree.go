package dockercmd

import (
	"fmt"
	"strings"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/command/container"
	"github.com/docker/cli/cli/command/image"
	"github.com/docker/cli/cli/command/network"
	"github.com/docker/cli/cli/command/registry"
	"github.com/docker/cli/cli/command/system"
	"github.com/docker/cli/cli/command/volume"
	"github.com/docker/cli/cli/flags"
	"github.com/spf13/cobra"
)

//lint:file-ignore SA1019 The library marks its commands as not meant for others and offers nothing in their place; this version of it is pinned.

// tree is docker's commands under our name.
type tree struct {
	command *cobra.Command
	options *flags.ClientOptions
}

func (s *session) tree() tree {
	root := &cobra.Command{
		Use:                   s.program.Name + " [OPTIONS] COMMAND [ARG...]",
		SilenceUsage:          true,
		SilenceErrors:         true,
		TraverseChildren:      true,
		DisableFlagsInUseLine: true,
		PersistentPreRunE:     func(c *cobra.Command, _ []string) error { return supported(c, s.DockerCli) },
		CompletionOptions:     cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(s.In())
	root.SetOut(s.DockerCli.Out())
	root.SetErr(s.Err())
	options, _ := cli.SetupRootCommand(root)
	root.Annotations = nil
	root.SetFlagErrorFunc(s.wrongFlag)
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		hideMissing(c, s.DockerCli)
		help(c, args)
	})
	root.AddCommand(s.commands()...)
	s.finish(root)
	return tree{command: root, options: options}
}

// commands returns docker's commands, ours in place of those that are done differently.
func (s *session) commands() []*cobra.Command {
	containers, images, volumes := container.NewContainerCommand(s), image.NewImageCommand(s), volume.NewVolumeCommand(s)
	networks, systems := network.NewNetworkCommand(s), system.NewSystemCommand(s)
	replace(containers, s.pruneContainersCommand())
	replace(images, s.pruneImagesCommand(), s.saveCommand(), foreignCommand(s.program.Name, "build"))
	replace(volumes, s.pruneVolumesCommand())
	replace(networks, s.pruneNetworksCommand())
	replace(systems, s.pruneSystemCommand())

	all := []*cobra.Command{containers, images, volumes, networks, systems, s.saveCommand()}
	for _, newCommand := range []func(command.Cli) *cobra.Command{
		container.NewRunCommand, container.NewExecCommand, container.NewPsCommand, container.NewAttachCommand,
		container.NewCommitCommand, container.NewCopyCommand, container.NewCreateCommand, container.NewDiffCommand,
		container.NewExportCommand, container.NewKillCommand, container.NewLogsCommand, container.NewPauseCommand,
		container.NewPortCommand, container.NewRenameCommand, container.NewRestartCommand, container.NewRmCommand,
		container.NewStartCommand, container.NewStatsCommand, container.NewStopCommand, container.NewTopCommand,
		container.NewUnpauseCommand, container.NewUpdateCommand, container.NewWaitCommand,
		image.NewPullCommand, image.NewPushCommand, image.NewImagesCommand, image.NewHistoryCommand,
		image.NewImportCommand, image.NewLoadCommand, image.NewRemoveCommand, image.NewTagCommand,
		registry.NewLoginCommand, registry.NewLogoutCommand, registry.NewSearchCommand,
		system.NewVersionCommand, system.NewInfoCommand, system.NewEventsCommand, system.NewInspectCommand,
	} {
		all = append(all, newCommand(s))
	}
	return all
}

// replace puts commands in the place of those with the same names.
func replace(group *cobra.Command, by ...*cobra.Command) {
	for _, c := range by {
		for _, old := range group.Commands() {
			if old.Name() == c.Name() {
				group.RemoveCommand(old)
			}
		}
		group.AddCommand(c)
	}
}

// finish puts our name into what the commands say about themselves.
func (s *session) finish(c *cobra.Command) {
	ours := strings.NewReplacer("docker ", s.program.Name+" ")
	c.DisableFlagsInUseLine = true
	if aliases := c.Annotations["aliases"]; aliases != "" {
		c.Annotations["aliases"] = ours.Replace(aliases)
	}
	c.Long, c.Example = ours.Replace(c.Long), ours.Replace(c.Example)
	for _, below := range c.Commands() {
		s.finish(below)
	}
}

// wrongFlag says in one line what is wrong with a flag. Nothing is done then.
func (s *session) wrongFlag(c *cobra.Command, err error) error {
	if unsupported := supported(c, s.DockerCli); unsupported != nil {
		return unsupported
	}
	said := []string{s.program.Name}
	if path := strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), s.program.Name)); path != "" {
		said = append(said, path)
	}
	said = append(said, fmt.Sprintf("%s (see '%s --help')", err, c.CommandPath()))
	return cli.StatusError{Status: strings.Join(said, ": "), StatusCode: 125}
}

// ForeignText says that a command is not carried out here, and what to use.
func ForeignText(name, word string) string {
	instead, _ := Foreign(word)
	return fmt.Sprintf("%s: %s is not among its commands: use %s", name, word, instead)
}

// foreignCommand answers with that in place of a command within one of docker's groups.
func foreignCommand(name, word string) *cobra.Command {
	return &cobra.Command{
		Use:                word,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return cli.StatusError{Status: ForeignText(name, word), StatusCode: 1}
		},
	}
}
