package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"davit/backup/repo"
	"davit/diskscan"
	"davit/engine/guard"
	"davit/migrate"
	"davit/prune"

	"github.com/urfave/cli/v2"
)

// Set by the linker: -X main.version=… -X main.commit=…; a linker can set variables only.
var (
	version string
	commit  string
)

// build says which davit this is.
type build struct {
	Version string  `json:"version"`
	Commit  string  `json:"commit,omitempty"`
	Time    string  `json:"time,omitempty"`
	Go      string  `json:"go"`
	OS      string  `json:"os"`
	Arch    string  `json:"arch"`
	Formats formats `json:"formats"`
}

// formats are the versions of what davit keeps. Each is the newest that this davit reads: a newer one is refused.
type formats struct {
	Repository     int `json:"repository"`
	GuardJournal   int `json:"guard_journal"`
	MigrateJournal int `json:"migrate_journal"`
	ScanReport     int `json:"scan_report"`
	PrunePlan      int `json:"prune_plan"`
	PruneRecord    int `json:"prune_record"`
	PruneLedger    int `json:"prune_ledger"`
}

func knownFormats() formats {
	return formats{
		Repository:     repo.FormatVersion,
		GuardJournal:   guard.JournalVersion,
		MigrateJournal: migrate.JournalVersion,
		ScanReport:     diskscan.ReportVersion,
		PrunePlan:      prune.PlanFormat,
		PruneRecord:    prune.RecordFormat,
		PruneLedger:    prune.LedgerFormat,
	}
}

// thisBuild takes what the linker was told, and what the compiler recorded where it was told nothing.
func thisBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Formats: knownFormats()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	modified := false
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.time":
			b.Time = s.Value
		case s.Key == "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	if modified && commit == "" && b.Commit != "" {
		b.Commit += "-modified"
	}
	return b
}

func (b build) line() string {
	line := "davit version " + b.Version
	if b.Commit != "" {
		line += ", commit " + b.Commit
	}
	return line
}

func (h *host) versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Category:    aboutDavit,
		Usage:       "Show which davit this is",
		UsageText:   "davit version [--json]",
		Description: examples("davit version", "davit version --json | jq -r .version") + exitCodes(exitDone, exitDockerUsage),
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c, 0, ""); err != nil {
				return err
			}
			b := thisBuild()
			if c.Bool("json") {
				return json.NewEncoder(h.out).Encode(b)
			}
			_, err := fmt.Fprintf(h.out, "%s\nbuilt with %s for %s/%s\n", b.line(), b.Go, b.OS, b.Arch)
			return err
		},
	}
}
