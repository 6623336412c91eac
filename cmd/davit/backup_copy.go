package main

import (
	"errors"
	"io"

	"davit/backup"
	"davit/backup/registry"
	"davit/backup/repo"
	"davit/backup/transfer"

	"github.com/urfave/cli/v2"
)

func (h *host) backupCopyCommand() *cli.Command {
	return &cli.Command{
		Name:      "copy",
		Usage:     "Copy snapshots to another repository, or from one",
		UsageText: "davit backup copy --repo DIR --to DIR [SNAPSHOT…] [flags]\n       davit backup copy --repo DIR --from DIR [SNAPSHOT…] [flags]",
		Description: paragraph("Without SNAPSHOT all are copied, but the archives of prune; what is there already is not copied again. Copies keep id, "+
			"host, job and time. What is encrypted otherwise is decrypted and encrypted anew; identities are tried on both repositories.") +
			examples(
				"davit backup copy --to /mnt/usb/backup",
				"davit backup copy --to /mnt/usb/backup latest --dry-run",
				"davit backup copy --from oci://registry.example.com/nas/backup latest",
			) + exitCodes(exitDone, exitUsage, exitNoRepository, exitWrongKey, exitDamaged, exitInterrupted),
		Flags: append([]cli.Flag{
			repoFlag(),
			&cli.StringFlag{Name: "to", Usage: "`DIR` of the repository to copy to, or oci://HOST/NAME"},
			&cli.StringFlag{Name: "from", Usage: "`DIR` of the repository to copy from, instead of to, or oci://HOST/NAME"},
			&cli.BoolFlag{Name: "allow-plaintext", Usage: "let data go unencrypted to a registry, or from an encrypted repository to one that is not"},
			&cli.BoolFlag{Name: "plain-http", Usage: "talk to a registry without TLS, as is done anyway on this machine's own addresses"},
			&cli.StringSliceFlag{Name: "tag", Usage: "only snapshots with this `TAG`; may be repeated"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "show what would be copied"},
			&cli.StringSliceFlag{Name: "other-identity-file", EnvVars: []string{"DAVIT_OTHER_IDENTITY_FILE"}, Usage: "`FILE` of age identities for the repository of --to or --from alone"},
			&cli.StringFlag{Name: "other-passphrase-file", EnvVars: []string{"DAVIT_OTHER_PASSPHRASE_FILE"}, Usage: "`FILE` with a passphrase for it"},
			progressFlag(),
			jsonFlag(),
		}, whoseFlags()...),
		Action: h.backupCopy,
	}
}

func (h *host) backupCopy(c *cli.Context) error {
	to, from := c.String("to"), c.String("from")
	switch {
	case (to == "") == (from == ""):
		return misuse(c, "needs --to DIR or --from DIR, and not both", "davit backup init makes a repository to copy to")
	}
	if registry.IsPlace(to) {
		return h.backupPush(c, to)
	}
	source, target, closeBoth, err := h.openBoth(c, to, from)
	if err != nil {
		return err
	}
	defer closeBoth()
	plan, err := transfer.NewPlan(c.Context, transfer.Options{
		From: source.Repo, To: target.Repo, Specs: c.Args().Slice(), Host: c.String("host"), Job: c.String("job"), Tags: c.StringSlice("tag"),
		Self: source.Host, AllowPlaintext: c.Bool("allow-plaintext"),
	})
	if err != nil {
		return err
	}
	if c.Bool("dry-run") || plan.Err() != nil {
		return errors.Join(plan.Err(), h.writeCopyPlan(c, plan))
	}
	p := h.startProgress(c, "copy")
	defer p.close()
	report, err := transfer.Apply(c.Context, transfer.Env{Now: h.now, Reporter: p, Workers: c.Int("parallel")}, plan)
	p.close()
	if report == nil {
		return err
	}
	write := writeCopyReport
	if c.Bool("json") {
		write = func(w io.Writer, r *transfer.Report, _ *transfer.Plan) error { return writeJSON(w, r) }
	}
	return errors.Join(err, write(h.out, report, plan))
}

// openBoth opens the repository that is read and the one that is written, one of which is that of --repo.
func (h *host) openBoth(c *cli.Context, to, from string) (source, target *backup.Env, closeBoth func(), err error) {
	own, other := readOnly, readWrite
	if from != "" {
		own, other = readWrite, readOnly
	}
	first, closeFirst, err := h.openBackup(c, own)
	if err != nil {
		return nil, nil, nil, err
	}
	second, closeSecond, err := h.openOther(c, to+from, other)
	if err != nil {
		closeFirst()
		return nil, nil, nil, err
	}
	source, target = first, second
	if from != "" {
		source, target = second, first
	}
	closeThird := func() {}
	if wrong := (*repo.KeyError)(nil); h.secrets(c).Some() && !h.otherOwn(c).Some() && errors.As(target.Repo.NeedKey(), &wrong) {
		// They were for the source: this host's snapshots can be copied without any.
		target, closeThird, err = h.openBackupIn(c, target.Repo.Dir(), readWrite, repo.Secrets{})
	}
	closeAll := func() { closeThird(); closeSecond(); closeFirst() }
	if err != nil {
		closeSecond()
		closeFirst()
	}
	return source, target, closeAll, err
}

// openOther opens the repository that is not --repo.
func (h *host) openOther(c *cli.Context, name string, how access) (*backup.Env, func(), error) {
	if registry.IsPlace(name) {
		return h.openRegistry(c, name)
	}
	return h.openBackupIn(c, name, how, h.otherSecrets(c))
}

// otherOwn are the flags that say what decrypts the repository that is not --repo.
func (h *host) otherOwn(c *cli.Context) repo.Secrets {
	return repo.Secrets{Files: c.StringSlice("other-identity-file"), PassphraseFile: c.String("other-passphrase-file")}
}

// otherSecrets decrypt the repository that is not --repo: those of its own flags or, without them, all.
func (h *host) otherSecrets(c *cli.Context) repo.Secrets {
	if own := h.otherOwn(c); own.Some() {
		return own
	}
	return h.secrets(c)
}

func (h *host) writeCopyPlan(c *cli.Context, plan *transfer.Plan) error {
	if c.Bool("json") {
		return writeJSON(h.out, plan)
	}
	text := &textWriter{w: h.out}
	t := newTable("ACTION", "ID", "TIME", ">SIZE", "HOST", "JOB", "WHY")
	var bytes int64
	for _, s := range plan.Snapshots {
		t.row(string(s.Action), s.ID, clock(s.Time), size(s.Bytes), s.Host, s.Job, s.Reason)
		if s.Action == transfer.ActionCopy {
			bytes += s.Bytes
		}
	}
	if len(plan.Snapshots) > 0 {
		text.table(t)
	}
	for _, n := range plan.Notes {
		text.linef("note: %s", n)
	}
	text.linef("would copy %s of %s from %s to %s, %s", count(int64(plan.Count(transfer.ActionCopy)), "snapshot"), size(bytes),
		plan.From, plan.To, copyMode(plan.Mode))
	return text.err
}

// copyMode says what happens to the bytes.
func copyMode(m transfer.Mode) string {
	switch m {
	case transfer.ModeEncrypt:
		return "encrypted"
	case transfer.ModeDecrypt:
		return "decrypted: whoever can read the target can read the data"
	case transfer.ModeReencrypt:
		return "encrypted anew"
	}
	return "as they are"
}

func writeCopyReport(w io.Writer, r *transfer.Report, plan *transfer.Plan) error {
	text := &textWriter{w: w}
	if len(r.Copied) > 0 {
		t := newTable("ID", "TIME", ">SIZE", ">READ", ">STORED", "HOST", "JOB")
		for _, s := range r.Copied {
			t.row(s.ID, clock(s.Time), size(s.Bytes), size(s.Read), size(s.Stored), s.Host, s.Job)
		}
		text.table(t)
	}
	for _, f := range r.Failed {
		text.linef("not copied %s: %s", f.ID, f.Reason)
	}
	for _, s := range plan.Snapshots {
		if s.Action == transfer.ActionSkip {
			text.linef("not copied %s: %s", s.ID, s.Reason)
		}
	}
	for _, n := range plan.Notes {
		text.linef("note: %s", n)
	}
	text.linef("%s copied to %s, %s; %d there already; read %s, stored %s in %s", count(int64(len(r.Copied)), "snapshot"), r.To, copyMode(r.Mode),
		r.There, size(r.BytesRead), size(r.Stored), seconds(r.Seconds))
	return text.err
}
