package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

func (h *host) backupForgetCommand() *cli.Command {
	return &cli.Command{
		Name:  "forget",
		Usage: "Remove snapshots by name or by a policy",
		UsageText: "davit backup forget --repo DIR SNAPSHOT… [flags]\n" +
			"       davit backup forget --repo DIR --keep-daily 7 --keep-weekly 5 [flags]",
		Description: paragraph("The policy holds for each host and job on its own, and counts from the newest snapshot, not from today. "+
			"The last complete snapshot of a volume, bind mount or path stays unless --lose-items is given. "+
			"The space is freed by davit backup gc; until then davit backup undelete brings snapshots back.") +
			examples(
				"davit backup forget -r /srv/backup --keep-daily 7 --keep-weekly 5 -n",
				"davit backup forget -r /srv/backup --keep-within 30d --job nightly --yes",
				"davit backup forget -r /srv/backup 3f2a91c0",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitLocked, exitInterrupted),
		Flags:  forgetFlags(),
		Action: h.backupForget,
	}
}

func forgetFlags() []cli.Flag {
	return append([]cli.Flag{
		repoFlag(),
		&cli.IntFlag{Name: "keep-last", Usage: "keep the newest `N`"},
		&cli.IntFlag{Name: "keep-hourly", Usage: "keep the newest of `N` hours"},
		&cli.IntFlag{Name: "keep-daily", Usage: "keep the newest of `N` days"},
		&cli.IntFlag{Name: "keep-weekly", Usage: "keep the newest of `N` weeks"},
		&cli.IntFlag{Name: "keep-monthly", Usage: "keep the newest of `N` months"},
		&cli.IntFlag{Name: "keep-yearly", Usage: "keep the newest of `N` years"},
		&cli.StringFlag{Name: "keep-within", Usage: "keep all of this `TIME` before the newest: 36h, 30d, 8w, 1y"},
		&cli.StringSliceFlag{Name: "keep-tag", Usage: "keep all with this `TAG`; may be repeated"},
		&cli.BoolFlag{Name: "lose-items", Usage: "let the last complete snapshot of an item go as well"},
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be removed and kept, and why"},
		yesFlag(),
		jsonFlag(),
	}, whoseFlags()...)
}

func (h *host) backupForget(c *cli.Context) error {
	options, err := forgetOptions(c)
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, access(c.Bool("dry-run")))
	if err != nil {
		return err
	}
	defer closeRepo()
	plan, err := backup.PlanForget(c.Context, env, options)
	if err != nil {
		return err
	}
	refused := error(nil)
	if len(plan.Refused) > 0 {
		refused = &backup.RefusedError{Action: "forget", Reasons: plan.Refused}
	}
	if c.Bool("dry-run") || refused != nil || len(plan.Remove) == 0 {
		return errors.Join(refused, h.writeForget(c, plan, nil))
	}
	if !c.Bool("yes") && h.inTTY {
		if err := writeForgetPlan(h.err, plan); err != nil {
			return err
		}
	}
	if err := h.confirm(c, fmt.Sprintf("Forget %s?", count(int64(len(plan.Remove)), "snapshot"))); err != nil {
		return err
	}
	gone, err := backup.ApplyForget(c.Context, env, plan)
	return errors.Join(err, h.writeForget(c, plan, gone))
}

func forgetOptions(c *cli.Context) (backup.ForgetOptions, error) {
	o := backup.ForgetOptions{
		Specs: c.Args().Slice(), Host: c.String("host"), Job: c.String("job"), LoseItems: c.Bool("lose-items"),
		Policy: backup.KeepPolicy{
			Last: c.Int("keep-last"), Hourly: c.Int("keep-hourly"), Daily: c.Int("keep-daily"),
			Weekly: c.Int("keep-weekly"), Monthly: c.Int("keep-monthly"), Yearly: c.Int("keep-yearly"), Tags: c.StringSlice("keep-tag"),
		},
	}
	if strings.Contains(o.Host, "://") {
		return o, misuse(c, "--host behind forget is the host that made the snapshots, not an engine: "+o.Host, "")
	}
	if !c.IsSet("keep-within") {
		return o, nil
	}
	var err error
	o.Policy.Within, err = backup.ParseAge(c.String("keep-within"))
	return o, err
}

func (h *host) writeForget(c *cli.Context, plan *backup.ForgetPlan, gone []string) error {
	if c.Bool("json") {
		if gone == nil {
			gone = []string{}
		}
		return writeJSON(h.out, struct {
			*backup.ForgetPlan
			Forgotten []string `json:"forgotten"`
		}{plan, gone})
	}
	if err := writeForgetPlan(h.out, plan); err != nil {
		return err
	}
	text := &textWriter{w: h.out}
	switch {
	case len(gone) > 0:
		text.linef("%s forgotten; gc frees the space, undelete brings them back until then", count(int64(len(gone)), "snapshot"))
	case len(plan.Remove) == 0:
		text.linef("nothing to forget")
	}
	return text.err
}

func writeForgetPlan(w io.Writer, plan *backup.ForgetPlan) error {
	text := &textWriter{w: w}
	for _, g := range plan.Groups {
		t := newTable("", "ID", "TIME", "STATE", "WHY")
		keep := 0
		for _, s := range g.Snapshots {
			why := strings.Join(s.Reasons, ", ")
			if s.Keep {
				keep++
			} else if len(s.Loses) > 0 {
				why = "the last with " + shortList(s.Loses)
			}
			t.row(ifElse(s.Keep, "keep", "remove"), s.ID, clock(s.Time), state(s.Complete), shown(why))
		}
		text.linef("host %s%s: keep %d, remove %d", g.Host, ifThen(g.Job != "", ", job "+g.Job), keep, len(g.Snapshots)-keep)
		text.table(t)
	}
	for _, n := range plan.Notes {
		text.linef("note: %s", n)
	}
	return text.err
}

// shortList names a few and counts the rest.
func shortList(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
