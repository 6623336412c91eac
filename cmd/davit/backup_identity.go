package main

import (
	"crypto/rand"
	"fmt"
	"path/filepath"

	"davit/backup/repo"

	"github.com/urfave/cli/v2"
)

// identityFlags say where the keys are that decrypt a repository. Secrets themselves come from files, the
// environment or a command, never from a flag.
func identityFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "identity-file", EnvVars: []string{"DAVIT_IDENTITY_FILE"},
			Usage: "`FILE` of age identities that decrypt the repository; may be repeated; DAVIT_IDENTITY in the environment holds one itself"},
		&cli.StringFlag{Name: "identity-command", EnvVars: []string{"DAVIT_IDENTITY_COMMAND"}, Usage: "`COMMAND` that prints such identities"},
		&cli.StringFlag{Name: "passphrase-file", EnvVars: []string{"DAVIT_PASSPHRASE_FILE"},
			Usage: "`FILE` with a passphrase that decrypts it; DAVIT_PASSPHRASE in the environment holds one itself"},
	}
}

// withIdentities gives commands that open a repository the flags for its keys.
func withIdentities(commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.Flags = append(c.Flags, identityFlags()...)
	}
	return commands
}

func (h *host) secrets(c *cli.Context) repo.Secrets {
	return repo.Secrets{
		Files:          c.StringSlice("identity-file"),
		Text:           h.getenv("DAVIT_IDENTITY"),
		Command:        c.String("identity-command"),
		PassphraseFile: c.String("passphrase-file"),
		Passphrase:     h.getenv("DAVIT_PASSPHRASE"),
	}
}

// repoOptions is what a repository needs of this process.
func (h *host) repoOptions(c *cli.Context, how access) (repo.Options, error) {
	name, err := h.hostname()
	if err != nil {
		return repo.Options{}, fmt.Errorf("read host name: %w", err)
	}
	return repo.Options{
		Now: h.now, Rand: rand.Reader, Host: name, ReadOnly: bool(how), HostKeys: hostKeys(c), AppendOnly: c.Bool("append-only"),
		Identities: h.secrets(c).Reader(c.Context, h.err),
	}, nil
}

// hostKeys is the folder with this host's keys for encrypted repositories.
func hostKeys(c *cli.Context) string { return filepath.Join(global(c, "state-dir"), "keys") }
