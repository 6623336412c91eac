package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

const (
	maintenance = "Maintenance"
	aboutDavit  = "About davit"
)

// run carries out one command line and returns the exit code.
func (h *host) run(ctx context.Context, words []string) int {
	inv, wrong := read(h.app(), words)
	logged, end, err := h.logging(inv, rand.Reader)
	if wrong == nil {
		wrong = err
	}
	if logged != h && wrong == nil {
		inv, wrong = read(logged.app(), words) // commands of the host that logs
	}
	code := logged.report(ctx, logged.carryOut(ctx, inv, wrong))
	end(code)
	return code
}

// carryOut does what a line that was read asks for.
func (h *host) carryOut(ctx context.Context, inv *invocation, wrong error) error {
	switch {
	case wrong != nil:
		return wrong
	case inv.help || len(inv.path) == 0 && len(inv.flags[0]) == 0:
		writeHelp(h.out, inv)
		return nil
	case len(inv.commands()) > 0 && len(inv.path) > 0:
		writeHelp(h.err, inv)
		return inv.usage("needs a command", "", argumentProblem)
	}
	if err := inv.refusal(h.goos); err != nil {
		return err
	}
	return inv.app.RunContext(ctx, inv.args())
}

// app builds the command tree. It is built anew for every run, so that no state survives one.
func (h *host) app() *cli.App {
	app := &cli.App{
		Name:                      "davit",
		Usage:                     "keeps a Docker host and its data safe",
		Flags:                     h.globalFlags(),
		Action:                    h.runRoot,
		OnUsageError:              wrongValue,
		ExitErrHandler:            func(*cli.Context, error) {}, // the library would exit by itself; main is the only exit
		DisableSliceFlagSeparator: true,                         // "--exclude a,b" is one pattern, "-e A=1,B=2" one variable
		HideHelp:                  true,
		HideVersion:               true,
		Reader:                    h.in,
		Writer:                    h.out,
		ErrWriter:                 h.err,
		Commands: []*cli.Command{
			h.backupCommand(),
			h.engineCommand(),
			h.migrateCommand(),
			h.diskscanCommand(),
			h.pruneCommand(),
			h.recoverCommand(),
			h.doctorCommand(),
			h.configCommand(),
			h.guardCommand(),
			h.agentCommand(),
			h.migrateWorkerCommand(),
			h.versionCommand(),
			h.completionCommand(),
		},
	}
	finish(app.Commands)
	return app
}

// finish gives every command of the tree what the library does not hand down.
func finish(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelp = true // help is found while the command line is read
		c.OnUsageError = wrongValue
		finish(c.Subcommands)
	}
}

// runRoot answers a line of global flags without a command. Unknown commands never come here.
func (h *host) runRoot(c *cli.Context) error {
	if c.Bool("version") {
		_, err := fmt.Fprintln(h.out, thisBuild().line())
		return err
	}
	return &usageError{message: "needs a command", hint: "see davit --help", code: exitFailed}
}

// wrongValue words what the library says about a value that cannot be read.
func wrongValue(c *cli.Context, err error, _ bool) error {
	name := commandName(c)
	message := err.Error()
	if i := strings.LastIndex(message, ": "); i > 0 && strings.HasPrefix(message, "invalid") {
		message = message[:i]
	}
	for _, before := range []string{" for flag -", " for -"} {
		if what, flag, found := strings.Cut(message, before); found {
			message = what + " for " + dashed(strings.TrimLeft(flag, "-"))
			break
		}
	}
	first, _, _ := strings.Cut(name, " ")
	return &usageError{command: name, message: message, hint: strings.TrimSpace("see davit "+name) + " --help",
		code: usageCode(isDocker(first), flagProblem)}
}

// commandName returns the command of a context as it is written, without the program's name.
func commandName(c *cli.Context) string {
	var names []string
	for _, level := range c.Lineage() {
		if level.Command != nil && level.Command.Name != "" {
			names = append([]string{level.Command.Name}, names...)
		}
	}
	return strings.TrimSpace(strings.TrimPrefix(strings.Join(names, " "), "davit"))
}

// arguments returns the arguments of a command when their number is right, else what is wrong with them.
// what names them in order, as in "SNAPSHOT DIR"; the first least of them must be there.
func arguments(c *cli.Context, least int, what string) ([]string, error) {
	args, names := c.Args().Slice(), strings.Fields(what)
	for i, a := range args {
		if i < least && a == "" {
			return nil, misuse(c, fmt.Sprintf("argument %s is empty", names[i]), "")
		}
	}
	switch {
	case len(args) < least:
		word, next := "the argument ", names[len(args)]
		if slices.Contains(names[:len(args)], next) {
			word = "another "
		}
		return nil, misuse(c, "needs "+word+next, "")
	case len(args) > len(names) && len(names) == 0:
		return nil, misuse(c, "takes no argument: "+args[0], "")
	case len(args) > len(names):
		return nil, misuse(c, "one argument too many: "+args[len(names)], "")
	}
	return args, nil
}

// misuse is wrong usage of a command that only the command itself can see.
func misuse(c *cli.Context, message, hint string) error {
	name := commandName(c)
	if hint == "" {
		hint = "see davit " + name + " --help"
	}
	first, _, _ := strings.Cut(name, " ")
	return &usageError{command: name, message: message, hint: hint, code: usageCode(isDocker(first), argumentProblem)}
}
