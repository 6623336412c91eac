package main

import (
	"fmt"
	"io"
	"time"

	"davit/prune"

	"github.com/urfave/cli/v2"
)

func (h *host) prunePlanCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "Show what a policy removes, why, and how many bytes that frees",
		UsageText: "davit prune plan [--policy FILE | --preset NAME] [flags]",
		Description: paragraph("Changes nothing. Every object gets one verdict and its reason; --kept lists those that stay, too. "+
			"The bytes of a line are what goes with that removal after those above it, so that the column adds up: a layer "+
			"that several images share counts where its last user goes.") +
			examples(
				"davit prune plan",
				"davit prune plan --preset ci --pullable 'registry.example/*/*' --kept",
				"davit prune plan --policy /etc/davit/prune.yaml --out prune.plan",
			) + exitCodes(exitDone, exitUsage, exitUnreachable, exitInterrupted),
		Flags: append(pruneFlags(),
			&cli.BoolFlag{Name: "kept", Aliases: []string{"k"}, Usage: "list also what stays, and why"},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write the plan to `FILE`, for davit prune apply"},
			jsonFlag(),
		),
		Action: h.prunePlan,
	}
}

func (h *host) prunePlan(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	return h.planOnly(c)
}

// planOnly makes a plan and shows it: plan, and apply --dry-run.
func (h *host) planOnly(c *cli.Context) error {
	if _, err := prunePolicy(c); err != nil {
		return err // before an engine is looked for
	}
	if _, err := pruneOptions(c); err != nil {
		return err
	}
	eng, err := h.connect(c)
	if err != nil {
		return err
	}
	defer func() { _ = eng.Close() }()
	plan, err := h.makePlan(c, eng)
	if err != nil {
		return err
	}
	if out := c.String("out"); out != "" {
		if err := plan.WriteFile(out); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return writeJSON(h.out, plan)
	}
	return writePrunePlan(h.out, plan, c.Bool("kept"))
}

func writePrunePlan(w io.Writer, p *prune.Plan, kept bool) error {
	text := &textWriter{w: w}
	if len(p.Removed) > 0 {
		t := newTable(">FREES", "KIND", "OBJECT", "WHY")
		for _, v := range p.Removed {
			t.row(size(v.Bytes), string(v.Kind), objectName(v.Object), why(v))
		}
		text.table(t)
		text.linef("")
	}
	if kept && len(p.Kept) > 0 {
		t := newTable("STAYS", "OBJECT", "WHY")
		for _, v := range p.Kept {
			t.row(string(v.Kind), objectName(v.Object), v.Reason)
		}
		text.table(t)
		text.linef("")
	}
	exact := "by the engine's books"
	if p.Exact {
		exact = "as measured on the disk in " + span(time.Duration(p.Seconds*float64(time.Second)))
	}
	text.linef("%s: %d of %d objects go and free %s, %s", p.Policy, len(p.Removed), len(p.Removed)+len(p.Kept), size(p.Bytes), exact)
	if p.Space != nil {
		text.linef("free now in %s: %s of %s%s", p.Space.Path, size(int64(p.Space.Free)), size(int64(p.Space.Total)), goalText(p.Goal))
	}
	if short := p.Short(); short > 0 {
		text.linef("that leaves %s to the target%s", size(short), ifThen(!kept, "; --kept tells why the rest stays"))
	}
	for _, n := range p.Notes {
		text.linef("note: %s", n)
	}
	return text.err
}

func goalText(g *prune.Goal) string {
	if g == nil || g.Free == 0 {
		return ""
	}
	return fmt.Sprintf("; target %s", size(int64(g.Free)))
}

func why(v prune.Verdict) string {
	if v.Archive {
		return v.Reason + "; archived first"
	}
	return v.Reason
}

// objectName is an object as people call it: an image with all its tags.
func objectName(o prune.Object) string {
	if n := len(o.Tags); n > 1 {
		return fmt.Sprintf("%s (and %d more)", o.Name, n-1)
	}
	if len(o.Name) == 64 {
		return o.Name[:12] + "…"
	}
	return o.Name
}
