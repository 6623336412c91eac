package main

import (
	"context"
	"errors"
	"time"

	"davit/diskscan"
	"davit/engine"

	"github.com/urfave/cli/v2"
)

func (h *host) diskscanCommand() *cli.Command {
	return &cli.Command{
		Name:      "diskscan",
		Category:  maintenance,
		Usage:     "Show what fills the disk, by Docker object",
		UsageText: "davit diskscan [PATH…] [flags]\n       davit diskscan logs [DATA-ROOT] [--truncate NAME]… [flags]",
		Description: paragraph("Without PATH it looks at the engine's own folders and at the file systems they are on. It needs "+
			"no engine and no free space, and writes nothing unless a flag says so. Bytes are those on disk; a file with "+
			"several links counts once; what is mounted below PATH is not entered.") +
			paragraph("logs lists the logs of containers and which have no limit; with --truncate it empties those of the type "+
				"json-file. A folder with that name is written ./logs.") +
			examples(
				"davit diskscan",
				"davit diskscan /srv --min-size 200MiB --by file",
				"davit diskscan /var/log --older-than 30d --by type",
				"davit diskscan --json | jq '.owners[0]'",
				"davit diskscan --watch 10s",
				"davit diskscan --html /mnt/other/disk.html",
				"davit diskscan -i",
				"davit diskscan logs --truncate web --keep 10MiB --to /mnt/other",
			) + exitCodes(exitDone, exitUsage, exitPartial, exitInterrupted),
		Flags:  diskscanFlags(),
		Action: h.diskscan,
	}
}

func diskscanFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "top", Aliases: []string{"n"}, Value: 10, Usage: "show the `N` largest"},
		&cli.StringFlag{Name: "min-size", Usage: "name only files of at least `SIZE` on disk, as 200MiB or 1.5GB"},
		&cli.StringFlag{Name: "older-than", Usage: "name only files that did not change for `DUR`, as 12h or 30d"},
		&cli.StringFlag{Name: "by", Usage: "list by `WHAT`: owner, dir, file or type (default owner, for plain folders dir)"},
		&cli.StringFlag{Name: "watch", Usage: "show what grows, every `DUR`, until it is interrupted"},
		&cli.BoolFlag{Name: "save", EnvVars: []string{"DAVIT_DISKSCAN_SAVE"}, Usage: "keep the totals, so that the next scan tells what grew"},
		&cli.StringFlag{Name: "export", Usage: "write the tree to `FILE` for ncdu -f and gdu -f; one PATH"},
		&cli.StringFlag{Name: "html", Usage: "write a page with a treemap and the tables to `FILE`"},
		&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Usage: "look around, and mark what davit prune is to plan for"},
		&cli.StringFlag{Name: "marked", Usage: "with -i: write the policy for what is marked to `FILE`"},
		&cli.BoolFlag{Name: "offline", Usage: "do not ask the engine, only read its files"},
		&cli.StringSliceFlag{Name: "truncate", Usage: "with logs: empty the log of container `NAME`; may be repeated"},
		&cli.StringFlag{Name: "keep", Usage: "with logs: save the last `SIZE` of each first, in a file in --to"},
		&cli.StringFlag{Name: "to", Usage: "with logs: `DIR` for that, on another file system"},
		configFlag(),
		yesFlag(),
		progressFlag(),
		jsonFlag(),
	}
}

// scanFlags are the flags of diskscan when they have been read.
type scanFlags struct {
	top     int
	topSet  bool
	minSize int64
	before  time.Time
	by      string
	json    bool
	save    bool
	watch   time.Duration
	look    bool
	marked  string
	export  string
	html    string
}

// What --by may say.
const (
	byOwner = "owner"
	byDir   = "dir"
	byFile  = "file"
	byType  = "type"
)

func (h *host) readScanFlags(c *cli.Context) (scanFlags, error) {
	f := scanFlags{top: c.Int("top"), topSet: c.IsSet("top"), by: c.String("by"), json: c.Bool("json"),
		look: c.Bool("interactive"), marked: c.String("marked"), save: c.Bool("save"), export: c.String("export"), html: c.String("html")}
	if f.top < 1 || f.top > maxTop {
		return f, misuse(c, "--top must be from 1 to 10000", "")
	}
	switch f.by {
	case "", byOwner, byDir, byFile, byType:
	default:
		return f, misuse(c, "unknown value for --by: "+f.by, "owner, dir, file or type")
	}
	var err error
	if err = checkProgress(c); err != nil {
		return f, err
	}
	if f.minSize, err = sizeFlag(c, "min-size"); err != nil {
		return f, err
	}
	age, err := ageFlag(c, "older-than")
	if err != nil {
		return f, err
	}
	if age > 0 {
		f.before = h.now().Add(-age)
	}
	if f.watch, err = ageFlag(c, "watch"); err != nil {
		return f, err
	}
	if f.look && (!h.inTTY || !h.outTTY || h.getenv("TERM") == "dumb") {
		return f, misuse(c, "--interactive needs a terminal", "--html FILE makes a page, --export FILE is for ncdu -f")
	}
	return f, f.conflict(c)
}

// conflict refuses flags that do not go together.
func (f *scanFlags) conflict(c *cli.Context) error {
	switch {
	case f.watch > 0 && (f.save || f.export != "" || f.html != ""):
		return misuse(c, "--watch goes with none of --save, --export and --html", "")
	case f.look && (f.watch > 0 || f.json || f.export != ""):
		return misuse(c, "--interactive goes with none of --watch, --json and --export", "")
	case f.marked != "" && !f.look:
		return misuse(c, "--marked goes with --interactive", "")
	case f.watch > 0 && f.watch < time.Second:
		return misuse(c, "--watch must be at least 1s", "")
	case f.export != "" && (f.save || f.html != "" || f.json):
		return misuse(c, "--export goes with none of --save, --html and --json", "")
	case f.export != "" && c.NArg() != 1:
		return misuse(c, "--export needs one PATH", "")
	}
	return nil
}

const maxTop = 10_000

func (h *host) diskscan(c *cli.Context) error {
	if c.Args().First() == "logs" {
		return h.diskscanLogs(c)
	}
	for _, name := range []string{"truncate", "keep", "to", "yes"} {
		if c.IsSet(name) {
			return misuse(c, "--"+name+" is for davit diskscan logs", "")
		}
	}
	flags, err := h.readScanFlags(c)
	if err != nil {
		return err
	}
	s, err := h.surveyOf(c)
	switch {
	case err != nil:
		return err
	case flags.watch > 0:
		return h.watchDisk(c, s, flags)
	case flags.export != "":
		return h.exportTree(c, flags.export)
	}
	text := &textWriter{w: h.out}
	report := s.Start()
	if !flags.json {
		text.fileSystems(report.FileSystems, h.columns())
	}
	if err := h.scan(c, s, report, flags); err != nil {
		return err
	}
	outputs := errors.Join(h.remember(c, report, flags), h.writePage(report, flags))
	switch {
	case flags.look && outputs == nil:
		outputs = h.browse(c, report, flags.marked)
	case flags.json:
		text.err = writeJSON(h.out, report)
	default:
		text.report(report, flags, h.columns(), h.programOf())
	}
	return errors.Join(text.err, outputs, report.Incomplete())
}

// columns is how wide a line may be: in a file or a pipe nothing is cut.
func (h *host) columns() int {
	if h.outTTY {
		return h.width()
	}
	return 10_000
}

// surveyOf says what is to be looked at.
func (h *host) surveyOf(c *cli.Context) (*diskscan.Survey, error) {
	name, err := h.hostname()
	if err != nil {
		name = "" // it is for the reader only
	}
	s := &diskscan.Survey{Host: name, Now: h.now, Paths: c.Args().Slice()}
	for _, path := range s.Paths {
		if path == "" {
			return nil, misuse(c, "argument PATH is empty", "")
		}
	}
	var eng *engine.Engine
	if s.Stores, eng = h.localStores(c); eng != nil {
		s.Ask = func(ctx context.Context) (*diskscan.Facts, error) { return askAndClose(ctx, eng) }
	}
	if len(s.Paths) == 0 && len(s.Stores) == 0 {
		return nil, misuse(c, "no engine's folders are found here, and no PATH is given", "davit diskscan PATH looks at any folder")
	}
	return s, nil
}

// On a full disk an engine may hang, and its files say the same: it gets so long to show that it is this machine's, before
// anything is told, and so long to say what it knows.
const (
	patienceToConnect = 700 * time.Millisecond
	patienceToAsk     = 3 * time.Second
	// patienceForNamed is for an engine that was named, or without which nothing is found: another one's folders are no answer.
	patienceForNamed = 10 * time.Second
)

// localStores finds the engine's folders, and the engine if it is here and answers soon. The caller closes it.
func (h *host) localStores(c *cli.Context) ([]diskscan.Store, *engine.Engine) {
	found := diskscan.FindStores(engine.ContainerdRoot)
	if c.Bool("offline") {
		return found, nil
	}
	patience := patienceToConnect
	if len(found) == 0 || global(c, "host") != "" || global(c, "context") != "" || h.getenv("DOCKER_HOST") != "" || h.getenv("DOCKER_CONTEXT") != "" {
		patience = patienceForNamed
	}
	ctx, cancel := context.WithTimeout(c.Context, patience)
	defer cancel()
	eng, err := engine.Connect(ctx, engine.Target{
		Host: global(c, "host"), Context: global(c, "context"), ConfigDir: global(c, "config"),
	})
	if err != nil {
		return found, nil
	}
	info, err := eng.Info(ctx)
	if isHere, _ := eng.Local(ctx); err != nil || !isHere {
		_ = eng.Close()
		return found, nil
	}
	return diskscan.StoresAt(info.DataRoot, info.ContainerdRoot), eng
}

func askAndClose(ctx context.Context, eng *engine.Engine) (*diskscan.Facts, error) {
	defer eng.Close()
	ctx, cancel := context.WithTimeout(ctx, patienceToAsk)
	defer cancel()
	return diskscan.Ask(ctx, eng)
}

// scan shows how far it is while it runs.
func (h *host) scan(c *cli.Context, s *diskscan.Survey, report *diskscan.Report, flags scanFlags) error {
	p := h.startProgress(c, "scan")
	defer p.close()
	s.Attribute(c.Context, report)
	return s.Scan(c.Context, report, diskscan.ScanOptions{
		Top: flags.top, MinSize: flags.minSize, Before: flags.before,
		Folders: flags.by == byDir || flags.html != "" || flags.by == "" && len(report.Stores) == 0,
		Types:   flags.by == byType, Tree: flags.look, Progress: p.Add,
	})
}

// explainScan tells a report with gaps, which the reader has before them, from none at all.
func explainScan(err error, f *failure) bool {
	var incomplete *diskscan.IncompleteError
	var interrupted interruptedError // by a key, in the browser: the signal's own way is another one
	switch {
	case errors.As(err, &interrupted):
		f.code = exitInterrupted
		return true
	case !errors.As(err, &incomplete):
		return false
	}
	if f.code = exitPartial; incomplete.Nothing {
		f.code = exitFailed
	}
	if incomplete.Denied {
		f.hint = "run it as root to see everything"
	}
	return true
}
