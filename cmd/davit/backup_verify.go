package main

import (
	"errors"
	"io"
	"strings"

	"davit/backup"
	"davit/backup/verified"

	"github.com/urfave/cli/v2"
)

func (h *host) backupVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "Check that snapshots are whole and would restore",
		UsageText: "davit backup verify --repo DIR [SNAPSHOT[:KIND/NAME]] [flags]",
		Description: paragraph("Without --read-data every manifest is read, and every blob must be there with the right size. "+
			"With it every blob is read, checked against its digest and decoded; a run that was cut short goes on within a week. "+
			"With --sample a part of the data is read, what was not for the longest time: 20 runs of 5% read everything. "+
			"Damage is told with the snapshots and files that it hits.") +
			examples(
				"davit backup verify --repo /srv/backup",
				"davit backup verify --repo /srv/backup --read-data --sample 5%",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitWrongKey, exitDamaged, exitInterrupted),
		Flags: []cli.Flag{
			repoFlag(),
			&cli.BoolFlag{Name: "read-data", Usage: "read and decode everything, too"},
			&cli.StringFlag{Name: "sample", Usage: "with --read-data: read `P%` of the data only, what was not read for the longest time"},
			&cli.BoolFlag{Name: "attest", Usage: "with --read-data: let all hosts of an encrypted repository refer to what proved good"},
			&cli.BoolFlag{Name: "accept-rollback", Usage: "forget what was seen of an encrypted repository that has lost snapshots since"},
			progressFlag(),
			jsonFlag(),
		},
		Action: h.backupVerify,
	}
}

func (h *host) backupVerify(c *cli.Context) error {
	args, err := arguments(c, 0, "SNAPSHOT")
	if err != nil {
		return err
	}
	o := backup.VerifyOptions{Spec: strings.Join(args, ""), ReadData: c.Bool("read-data"), Attest: c.Bool("attest"), Remember: true}
	if text := c.String("sample"); c.IsSet("sample") {
		if o.Sample, err = verified.ParseShare(text); err != nil {
			return &backup.UsageError{Reason: "--sample: " + err.Error()}
		}
	}
	env, closeRepo, err := h.openBackup(c, access(!o.Attest))
	if err != nil {
		return err
	}
	defer closeRepo()
	if c.Bool("accept-rollback") {
		if err := env.Repo.AcceptHeads(); err != nil {
			return err
		}
	}
	p := h.startProgress(c, "verify")
	defer p.close()
	env.Reporter = p
	report, err := backup.Verify(c.Context, env, o)
	p.close()
	if report == nil {
		return err
	}
	if err == nil {
		err = report.Err()
	}
	write := writeVerifyReport
	if c.Bool("json") {
		write = func(w io.Writer, r *backup.VerifyReport) error { return writeJSON(w, r) }
	}
	return errors.Join(err, write(h.out, report))
}

func writeVerifyReport(w io.Writer, r *backup.VerifyReport) error {
	text := &textWriter{w: w}
	text.damaged(r.Damaged)
	text.linef("checked %s: %s, %s, %s%s in %s", count(int64(r.Snapshots), "snapshot"), count(int64(r.Items), "item"),
		count(r.Files, "file"), count(int64(r.Blobs), "blob"), ifThen(r.BytesRead > 0, ", read "+size(r.BytesRead)), seconds(r.Seconds))
	for _, note := range r.Notes {
		text.linef("note: %s", note)
	}
	if r.Data != nil {
		text.linef("%s", verifiedData(r.Data))
	}
	if len(r.Damaged) == 0 {
		text.linef("no damage found")
	}
	return text.err
}

// damaged tells of blobs with the snapshots and files that they hit.
func (t *textWriter) damaged(list []backup.DamagedBlob) {
	for _, d := range list {
		t.linef("damaged %s: %s", d.Digest, d.Reason)
		for _, hit := range d.Hits {
			t.linef("  hits %s%s", hit.Snapshot, ifThen(hit.Item != "", ":"+shown(hit.Item)))
			for _, f := range hit.Files {
				t.linef("    %s", f)
			}
			if hit.More > 0 {
				t.linef("    and %s", count(int64(hit.More), "more file"))
			}
		}
	}
}

// verifiedData says how much of the data was read from here, and since when.
func verifiedData(d *backup.VerifiedData) string {
	goesOn := ""
	if !d.Continued.IsZero() {
		goesOn = "; this run went on with that of " + clock(d.Continued)
	}
	if d.ReadBlobs == 0 {
		return "none of " + size(d.Bytes) + " of data was read and found good" + goesOn
	}
	part := "all"
	if d.ReadBlobs < d.Blobs {
		part = size(d.ReadBytes)
	}
	return part + " of " + size(d.Bytes) + " of data was read since " + clock(d.Since) + " and found good" + goesOn
}
