package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// helpTopic is a page of davit help that belongs to no command.
type helpTopic struct {
	name string
	text func(p *page, app *cli.App)
}

func helpTopics() []helpTopic {
	return []helpTopic{
		{"exit-codes", helpExitCodes},
		{"formats", helpFormats},
		{"consistency", helpConsistency},
		{"environment", helpEnvironment},
		{"repositories", helpRepositories},
		{"flags", helpFlags},
	}
}

func topicNames() []string {
	var names []string
	for _, t := range helpTopics() {
		names = append(names, t.name)
	}
	return names
}

// topicNamed returns the page of a word behind "help"; nil when there is none.
func topicNamed(word string) *helpTopic {
	all := helpTopics()
	if i := slices.IndexFunc(all, func(t helpTopic) bool { return t.name == word }); i >= 0 {
		return &all[i]
	}
	return nil
}

func (p *page) topic(inv *invocation) {
	p.column = 18
	inv.topic.text(p, inv.app)
}

func (p *page) paragraph(text string) {
	for _, line := range wrap(text, helpWidth) {
		p.line("%s", line)
	}
	p.line("")
}

func helpFlags(p *page, app *cli.App) {
	p.line("Global flags stand before or behind a command")
	p.flagRows(app.Flags)
	p.line("")
	p.line("Flags that mean the same in every command that has them")
	p.flagRows(sharedFlags())
}

func helpExitCodes(p *page, _ *cli.App) {
	p.line("Exit codes of davit's own commands")
	p.line("")
	for _, code := range []int{exitDone, exitFailed, exitUsage, exitPartial, exitNoRepository, exitLocked, exitWrongKey,
		exitUnreachable, exitDamaged, exitUnprotected, exitInterrupted} {
		p.line("%5d  %s", code, exitMeaning(code))
	}
	p.line("")
	p.paragraph("Any other code means failed. A command that did its work in part has named what is missing.")
	p.paragraph("Docker's words answer as docker does: 125 for an unknown flag or an engine that refuses, 126 and 127 for a " +
		"command that cannot be run, else the container's own code.")
}

func helpFormats(p *page, _ *cli.App) {
	p.line("What davit writes, and how to read it")
	p.line("")
	for _, row := range [][2]string{
		{"repository", "an OCI image layout: skopeo, podman and crane read its images in place; volumes are zstd frames of a pax " +
			"archive, named by index.json. The README has the lines that restore without davit."},
		{"--json", "one object per line, or one document; bytes as numbers, times in UTC. Fields are added, never renamed within a version."},
		{"--progress json", "objects on standard error: type progress or message."},
		{"--log-format", "text or json on standard error: time, level, run. Units get the journal's priorities by themselves."},
		{"plan, policy", "files of davit prune: JSON with a checksum, and YAML."},
		{"state", "journals and records in /var/lib/davit. davit version --json says which versions of all these this davit knows; " +
			"a newer one is refused and left as it is."},
	} {
		p.row("  "+row[0], row[1])
	}
}

func helpConsistency(p *page, _ *cli.App) {
	p.line("How a backup holds together: davit backup create --consistency HOW")
	p.line("")
	for _, row := range [][2]string{
		{"pause", "the usual way. Data is read while containers run; then those that write to it are paused, what changed meanwhile is " +
			"read again, and they run on: milliseconds to seconds. It gives what a power cut leaves, which databases survive."},
		{"stop", "stops and starts them instead: for programs that do not survive a power cut."},
		{"live", "leaves them alone: files may be of different moments."},
		{"hooks", "labels davit.backup.pre and .post run commands in a container before and after; davit.backup.app=postgres, mariadb, redis or sqlite brings them along."},
		{"--fs-snapshots", "auto holds them on btrfs for a snapshot only, on xfs for reflinks; never does not."},
		{"--max-freeze", "lets a group go after 10s; its items are then marked, exit code 3."},
	} {
		p.row("  "+row[0], row[1])
	}
	p.line("")
	p.paragraph("The label davit.backup.consistency=live on a container leaves it alone. --rm containers are stopped only with " +
		"--allow-rm-loss. Whatever was held runs again even if davit is killed: a guard does it, or davit recover at boot.")
}

// helpEnvironment lists the variables that stand for flags, as the flags say it.
func helpEnvironment(p *page, app *cli.App) {
	p.column = 26
	p.line("Variables that stand for flags; a flag goes before its variable")
	p.line("")
	rows := map[string]string{}
	var collect func(flags []cli.Flag, commands []*cli.Command)
	collect = func(flags []cli.Flag, commands []*cli.Command) {
		for _, f := range flags {
			if d, ok := f.(cli.DocGenerationFlag); ok {
				for _, name := range d.GetEnvVars() {
					rows[name] = dashed(f.Names()[0])
				}
			}
		}
		for _, c := range commands {
			if !c.Hidden {
				collect(c.Flags, c.Subcommands)
			}
		}
	}
	collect(app.Flags, app.Commands)
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p.row("  "+name, rows[name])
	}
	p.line("")
	p.paragraph("DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG and the like are docker's. NO_COLOR is honoured. " +
		"XDG_STATE_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME move the folders of users other than root.")
}
