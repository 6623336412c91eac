package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// testApp has docker's way with flags and ours, and notes what the library made of a command line.
func testApp(got *[]string) *cli.App {
	note := func(c *cli.Context) error {
		line := []string{c.Command.Name}
		for _, f := range c.Command.Flags {
			if name := f.Names()[0]; c.IsSet(name) {
				line = append(line, name+"="+strings.Trim(flagText(c, name), "[]"))
			}
		}
		slices.Sort(line[1:])
		if h := global(c, "host"); h != "" {
			line = append(line, "global host="+h)
		}
		*got = append(append(line, "|"), c.Args().Slice()...)
		return nil
	}
	command := func(name string, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: name, Flags: flags, Action: note}
	}
	run := func(name string) *cli.Command {
		return command(name,
			&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}},
			&cli.StringFlag{Name: "hostname", Aliases: []string{"h"}},
			&cli.StringFlag{Name: "memory-swap"},
			&cli.StringSliceFlag{Name: "publish", Aliases: []string{"p"}},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}},
		)
	}
	app := &cli.App{
		Name:  "davit",
		Flags: []cli.Flag{&cli.StringFlag{Name: "host", Aliases: []string{"H"}}},
		Commands: []*cli.Command{
			run("run"), run("exec"),
			{Name: "container", Subcommands: []*cli.Command{run("run")}},
			command("save", &cli.StringFlag{Name: "output", Aliases: []string{"o"}}),
			command("logs", &cli.StringFlag{Name: "tail", Aliases: []string{"n"}}, &cli.BoolFlag{Name: "follow", Aliases: []string{"f"}}),
			{Name: "backup", Subcommands: []*cli.Command{
				command("restore", &cli.StringFlag{Name: "repo", Aliases: []string{"r"}}, &cli.StringFlag{Name: "host"},
					&cli.BoolFlag{Name: "dry-run"}, &cli.BoolFlag{Name: "yes"}, &cli.StringSliceFlag{Name: "only"}),
				{Name: "ls", Aliases: []string{"list"}, Action: note, Flags: []cli.Flag{&cli.StringFlag{Name: "repo", Aliases: []string{"r"}}}},
			}},
		},
		DisableSliceFlagSeparator: true,
		HideHelp:                  true,
		HideVersion:               true,
		OnUsageError:              wrongValue,
		ExitErrHandler:            func(*cli.Context, error) {},
	}
	finish(app.Commands)
	return app
}

func flagText(c *cli.Context, name string) string {
	if v := c.StringSlice(name); v != nil {
		return strings.Join(v, "+")
	}
	if c.Bool(name) {
		return "true"
	}
	if c.String(name) == "" {
		return "false"
	}
	return c.String(name)
}

// TestFlagsAnywhere shows that a line means the same wherever its flags stand, and what docker's ways to write flags
// mean: command, flags in alphabetical order, "|", arguments.
func TestFlagsAnywhere(t *testing.T) {
	for line, want := range map[string]string{
		// our own commands
		"backup restore latest --dry-run":                "restore dry-run=true | latest",
		"backup restore --dry-run latest":                "restore dry-run=true | latest",
		"backup restore latest --repo /b --only a --yes": "restore only=a repo=/b yes=true | latest",
		"backup restore -r /b latest --yes":              "restore repo=/b yes=true | latest",
		"backup restore -r/b latest":                     "restore repo=/b | latest",
		"backup restore -r=/b latest":                    "restore repo=/b | latest",
		"backup restore --repo=/b latest":                "restore repo=/b | latest",
		"backup restore --repo=a=b latest":               "restore repo=a=b | latest",
		"backup restore --only a,b --only c latest":      "restore only=a,b+c | latest",
		"backup restore --yes=false latest":              "restore yes=false | latest",
		"backup restore -- --dry-run":                    "restore | --dry-run",
		"backup restore latest -- -x":                    "restore | latest -x",
		"backup restore --repo -1 latest":                "restore repo=-1 | latest",
		"backup restore - --yes":                         "restore yes=true | -",
		"backup restore latest --repo /a --repo /b":      "restore repo=/b | latest",
		"backup restore latest -r /a --repo /b":          "restore repo=/b | latest",
		"backup --repo /b restore latest":                "restore repo=/b | latest",
		"backup -r /b list":                              "ls repo=/b |",
		// a global flag, and a command's own of the same name
		"-H tcp://x backup restore latest":                "restore global host=tcp://x | latest",
		"--host tcp://x backup restore latest":            "restore global host=tcp://x | latest",
		"backup restore latest --host nas":                "restore host=nas | latest",
		"--host tcp://x backup restore latest --host nas": "restore host=nas global host=tcp://x | latest",
		"backup ls --host tcp://x":                        "ls global host=tcp://x |",
		"save img --host tcp://x":                         "save global host=tcp://x | img",
		// docker's
		"save img -o f.tar":               "save output=f.tar | img",
		"save -of.tar img":                "save output=f.tar | img",
		"logs --tail -1 -f db":            "logs follow=true tail=-1 | db",
		"logs db -fn5":                    "logs follow=true tail=5 | db",
		"logs db -n -5":                   "logs tail=-5 | db",
		"run -it img sh":                  "run interactive=true tty=true | img sh",
		"run -itd img":                    "run detach=true interactive=true tty=true | img",
		"run -it=false img":               "run interactive=true tty=false | img",
		"run -p8080:80 -p 9:9 -uroot img": "run publish=8080:80+9:9 user=root | img",
		"run -itp8080:80 img":             "run interactive=true publish=8080:80 tty=true | img",
		"run -e A=1,B=2 --env C= img":     "run env=A=1,B=2+C= | img",
		"run -h web img":                  "run hostname=web | img",
		"run --memory-swap -1 img":        "run memory-swap=-1 | img",
		"run --user --tty img":            "run user=--tty | img",
		"run img ls -l --all -- x":        "run | img ls -l --all -- x",
		"run -t img --help":               "run tty=true | img --help",
		"run -- img -x":                   "run | img -x",
		"exec -it web sh -c exit":         "exec interactive=true tty=true | web sh -c exit",
		"container run -it img sh -i":     "run interactive=true tty=true | img sh -i",
	} {
		t.Run(line, func(t *testing.T) {
			var got []string
			app := testApp(&got)
			inv, err := read(app, strings.Fields(line))
			if err == nil {
				err = app.Run(inv.args())
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("got  %s\nwant %s", s, want)
			}
		})
	}
}

// TestWrongLines shows that a wrong line runs nothing, is told in one line, and has docker's code in docker's
// commands and ours in ours.
func TestWrongLines(t *testing.T) {
	for _, c := range []struct {
		line, message, hint string
		code                int
	}{
		{"bakup", "unknown command: bakup", `did you mean "backup"?`, 1},
		{"zzz", "unknown command: zzz", "see davit --help", 1},
		{"backup restor", "backup: unknown command: restor", `did you mean "backup restore"?`, 2},
		{"backup restore --dryrun x", "backup restore: unknown flag: --dryrun", "did you mean --dry-run?", 2},
		{"backup restore x --dryrun", "backup restore: unknown flag: --dryrun", "did you mean --dry-run?", 2},
		{"backup restore --frob=1", "backup restore: unknown flag: --frob", "see davit backup restore --help", 2},
		{"backup restore -x", "backup restore: unknown shorthand flag: 'x' in -x", "see davit backup restore --help", 2},
		{"backup restore -é", "backup restore: unknown shorthand flag: 'é' in -é", "see davit backup restore --help", 2},
		{"backup restore -repo x", "backup restore: unknown flag: -repo", "did you mean --repo?", 2},
		{"backup restore --repo", "backup restore: flag needs a value: --repo", "see davit backup restore --help", 2},
		{"backup restore -r", "backup restore: flag needs a value: -r", "see davit backup restore --help", 2},
		{"backup restore --repo --dry-run", "backup restore: flag needs a value: --repo",
			"if --dry-run is really meant as the value, write --repo=--dry-run", 2},
		{"backup restore --yes=maybe", `backup restore: invalid boolean value "maybe" for --yes`, "see davit backup restore --help", 2},
		{"backup --yes ls", "backup ls: unknown flag: --yes", "see davit backup ls --help", 2},
		{"--repo x backup ls", "unknown flag: --repo", "it belongs behind a command: davit backup restore --repo", 125},
		{"run --frob img", "run: unknown flag: --frob", "see davit run --help", 125},
		{"run -x img", "run: unknown shorthand flag: 'x' in -x", "see davit run --help", 125},
		{"container run -itx img", "container run: unknown shorthand flag: 'x' in -itx", "see davit container run --help", 125},
		{"run --user", "run: flag needs a value: --user", "see davit run --help", 125},
		{"container frob", "container: unknown command: frob", "see davit container --help", 1},
	} {
		t.Run(c.line, func(t *testing.T) {
			var ran []string
			app := testApp(&ran)
			inv, err := read(app, strings.Fields(c.line))
			if err == nil {
				err = app.Run(inv.args())
			}
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a usage error", err)
			}
			if usage.Error() != c.message || usage.hint != c.hint || usage.code != c.code {
				t.Errorf("got  %q, hint %q, code %d\nwant %q, hint %q, code %d",
					usage.Error(), usage.hint, usage.code, c.message, c.hint, c.code)
			}
			if ran != nil {
				t.Errorf("ran %v", ran)
			}
		})
	}
}

// TestAskedForHelp shows that a line with a request for help runs nothing, and that words for a container are not one.
func TestAskedForHelp(t *testing.T) {
	for line, want := range map[string]bool{
		"--help":                      true,
		"help":                        true,
		"backup -h":                   true,
		"help backup restore":         true,
		"backup help restore":         true,
		"backup restore latest -h":    true,
		"backup restore --help --yes": true,
		"run img --help":              false,
		"run -h web img":              false,
		"backup restore help":         false,
	} {
		var ran []string
		inv, err := read(testApp(&ran), strings.Fields(line))
		if err != nil || inv.help != want {
			t.Errorf("%s: help %v, error %v", line, inv.help, err)
		}
	}
}

// TestEveryFlagIsDocumented shows that each flag of the real tree says what it is for, and that no command has two
// flags of one name.
func TestEveryFlagIsDocumented(t *testing.T) {
	var visit func(path string, commands []*cli.Command)
	visit = func(path string, commands []*cli.Command) {
		for _, c := range commands {
			name := path + " " + c.Name
			if c.Hidden {
				continue
			}
			if c.Usage == "" {
				t.Errorf("%s has no usage", name)
			}
			if len(c.Subcommands) == 0 && (c.UsageText == "" || !strings.Contains(c.Description, "Exit codes:") || !strings.Contains(c.Description, "Examples\n")) {
				t.Errorf("%s: the help lacks its usage line, examples or exit codes", name)
			}
			seen := map[string]bool{}
			for _, f := range c.Flags {
				if d, ok := f.(cli.DocGenerationFlag); !ok || d.GetUsage() == "" {
					t.Errorf("%s --%s has no usage", name, f.Names()[0])
				}
				for _, n := range f.Names() {
					if seen[n] {
						t.Errorf("%s has two flags %s", name, n)
					}
					seen[n] = true
				}
			}
			visit(name, c.Subcommands)
		}
	}
	visit("davit", thisHost().app().Commands)
}
