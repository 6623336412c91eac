package main

import (
	"path/filepath"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

func (h *host) backupInitCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "Make a repository in a new or empty folder, here or on a server",
		UsageText: "davit backup init --repo REPO [--recipient age1…]… [flags]",
		Description: paragraph("Without a recipient or passphrase it is not encrypted: whoever can read the folder can read the data, "+
			"passwords in definitions included.") +
			paragraph("An encrypted one can be read by the holders of these keys alone, not even by this host. A restore needs what "+
				"age-keygen made: keep it elsewhere.") +
			examples(
				"davit backup init --repo /srv/backup",
				"davit backup init --repo s3://s3.example.org/bucket/davit --recipient age1…",
			) + exitCodes(exitDone, exitUsage),
		Flags: []cli.Flag{
			repoFlag(), recipientFlag(),
			&cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with a passphrase to decrypt it"},
			jsonFlag(),
		},
		Action: h.backupInit,
	}
}

func (h *host) backupInit(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	dir, err := repoDir(c)
	if err != nil {
		return err
	}
	list, err := holders(c, "passphrase-file")
	if err != nil {
		return err
	}
	options, err := h.repoOptions(c, readWrite)
	if err != nil {
		return err
	}
	r, err := h.initRepository(c, dir, options, list)
	if err != nil {
		return err
	}
	config := r.Config()
	if err := r.Close(); err != nil {
		return err
	}
	return h.writeInit(c, dir, config)
}

func (h *host) writeInit(c *cli.Context, dir string, config repo.Config) error {
	recipient, key := "", ""
	if config.Encryption != nil {
		recipient, key = config.Encryption.Recipient, filepath.Join(hostKeys(c), config.ID+".json")
	}
	if c.Bool("json") {
		return writeJSON(h.out, struct {
			ID        string `json:"id"`
			Format    int    `json:"format"`
			Dir       string `json:"dir"`
			Recipient string `json:"recipient,omitempty"`
			HostKey   string `json:"host_key,omitempty"`
		}{config.ID, config.Version, dir, recipient, key})
	}
	text := &textWriter{w: h.out}
	text.linef("repository %s made in %s (format %d)", config.ID[:min(8, len(config.ID))], dir, config.Version)
	if recipient == "" {
		text.linef("it is not encrypted: whoever can read the folder can read the data")
		return text.err
	}
	text.linef("it is encrypted, its own key is %s", recipient)
	text.linef("key of this host: %s", key)
	return text.err
}
