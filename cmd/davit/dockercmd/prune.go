package dockercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/opts"
	"github.com/docker/docker/api/types/filters"
	timetypes "github.com/docker/docker/api/types/time"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

//lint:file-ignore SA1019 The library marks its prompt as not meant for others; the words and the answers must be docker's.

// prunable is one object that is to go.
type prunable struct {
	kind string // "container"
	id   string // what it is removed by; the name of a volume
	name string // what people know it by
	size int64  // bytes that get free; -1 when the engine does not tell
	made string // when a volume was made: its name may come back with other data
	refs []string
}

// broom finds and removes the objects of one kind.
type broom interface {
	choose(ctx context.Context) ([]prunable, error)
	// remove removes what was chosen, as far as it is still the same and unused. It returns what docker prints, and
	// the bytes that got free.
	remove(ctx context.Context, chosen []prunable) (said string, freed int64)
}

// pruneOptions are the flags of the prunes.
type pruneOptions struct {
	force, dryRun, all, volumes bool
	filter                      opts.FilterOpt
}

func (o *pruneOptions) flags(cmd *cobra.Command, filterHelp string) {
	flags := cmd.Flags()
	flags.BoolVarP(&o.force, "force", "f", false, "Do not prompt for confirmation")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Show what would be removed, and remove nothing")
	flags.Var(&o.filter, "filter", filterHelp)
}

// pruneCommand is what the prunes have in common.
func pruneCommand(short string, run func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:               "prune [OPTIONS]",
		Short:             short,
		Args:              cli.NoArgs,
		Annotations:       map[string]string{"version": "1.25"},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
	}
}

// prune is one prune: what it is called, what it asks, and what it removes, in order.
type prune struct {
	name     string // "container prune"
	question string
	brooms   []broom
	total    bool // the freed space is said
	options  *pruneOptions
}

// run chooses once; what is removed later is what was shown.
func (s *session) prune(ctx context.Context, p prune) error {
	chosen := make([][]prunable, len(p.brooms))
	for i, b := range p.brooms {
		var err error
		if chosen[i], err = b.choose(ctx); err != nil {
			return err
		}
	}
	if p.options.dryRun {
		return s.showChosen(s.Out(), chosen)
	}
	if !p.options.force {
		if err := s.showChosen(s.Err(), chosen); err != nil {
			return err
		}
		yes, err := command.PromptForConfirmation(ctx, s.In(), s.Out(), p.question)
		if err != nil {
			return err
		}
		if !yes {
			return cancelledError{fmt.Errorf("%s has been cancelled", p.name)}
		}
	}
	freed := int64(0)
	for i, b := range p.brooms {
		said, n := b.remove(ctx, chosen[i])
		freed += n
		if said != "" {
			_, _ = fmt.Fprintln(s.Out(), said)
		}
	}
	if p.total {
		_, _ = fmt.Fprintln(s.Out(), "Total reclaimed space:", units.HumanSize(float64(freed)))
	}
	return context.Cause(ctx)
}

// showChosen lists what is to go, with sizes.
func (s *session) showChosen(w io.Writer, chosen [][]prunable) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	count, total, known := 0, int64(0), true
	for _, list := range chosen {
		for _, p := range list {
			if count == 0 {
				_, _ = fmt.Fprintln(t, "WOULD GO\tNAME\tID\tSIZE")
			}
			count++
			size := "unknown"
			if p.size >= 0 {
				size = units.HumanSize(float64(p.size))
				total += p.size
			} else {
				known = false
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.kind, s.program.Visible(p.name), s.program.Visible(shortID(p)), size)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	least := ""
	if !known {
		least = "at least "
	}
	_, err := fmt.Fprintf(w, "In all %d, %s%s\n", count, least, units.HumanSize(float64(total)))
	return err
}

func shortID(p prunable) string {
	if p.id == p.name {
		return ""
	}
	id := strings.TrimPrefix(p.id, "sha256:")
	return id[:min(12, len(id))]
}

// kept says why an object that was chosen stays. That is no error of a prune.
func (s *session) kept(p prunable, err error) {
	_, _ = fmt.Fprintf(s.Err(), "%s: kept %s %s: %s\n", s.program.Name, p.kind, s.program.Visible(p.name), s.program.Visible(err.Error()))
}

var errChanged = errors.New("it changed since it was chosen")

// cancelledError is a question that was answered with no; docker's client then ends without a word.
type cancelledError struct{ error }

func (cancelledError) Cancelled() {}

// filter checks and applies the filters that the engine's own prunes have.
type filter struct {
	args  filters.Args
	until time.Time
}

// readFilter adds the filters of docker's config and refuses those that the kind does not have.
func (s *session) readFilter(o *pruneOptions, accepted ...string) (filter, error) {
	f := filter{args: command.PruneFilters(s, o.filter.Value().Clone())}
	known := map[string]bool{"label": true, "label!": true}
	for _, a := range accepted {
		known[a] = true
	}
	if err := f.args.Validate(known); err != nil {
		return f, err
	}
	untils := f.args.Get("until")
	if len(untils) == 0 {
		return f, nil
	}
	if len(untils) > 1 {
		return f, errors.New("more than one until filter specified")
	}
	stamp, err := timetypes.GetTimestamp(untils[0], time.Now())
	if err != nil {
		return f, err
	}
	seconds, nanoseconds, err := timetypes.ParseTimestamps(stamp, 0)
	f.until = time.Unix(seconds, nanoseconds)
	return f, err
}

// takes reports whether the filters let an object go.
func (f filter) takes(made time.Time, labels map[string]string) bool {
	return (f.until.IsZero() || made.Before(f.until)) &&
		f.args.MatchKVList("label", labels) &&
		(!f.args.Contains("label!") || !f.args.MatchKVList("label!", labels))
}
