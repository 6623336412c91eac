package main

import (
	"fmt"
	"os"
	"path/filepath"

	"davit/backup/repo"
	"davit/engine/hostfs"

	"github.com/urfave/cli/v2"
)

func (h *host) backupKeyCommand() *cli.Command {
	return &cli.Command{
		Name:  "key",
		Usage: "Say who can decrypt a repository, and which hosts write into it",
		Description: paragraph("All of an encrypted repository is encrypted for one key, and that key for each who may read: adding one rewrites " +
			"nothing. Removing one keeps him from nothing that he could read before, nor from what comes, if he kept the repository's key: " +
			"for that, make a new repository. A host that writes needs none of these keys, but one of its own."),
		Subcommands: withIdentities(
			&cli.Command{
				Name: "list", Aliases: []string{"ls"}, Usage: "List who can decrypt the repository",
				UsageText: "davit backup key list --repo DIR [--json]",
				Description: examples("davit backup key list --repo /srv/backup", "davit backup key list --repo /srv/backup --json | jq -r .id") +
					exitCodes(exitDone, exitUsage, exitNoRepository),
				Flags: []cli.Flag{repoFlag(), jsonFlag()}, Action: h.keyList,
			},
			&cli.Command{
				Name: "add", Usage: "Let somebody else decrypt the repository",
				UsageText: "davit backup key add --repo DIR --recipient age1…\n       davit backup key add --repo DIR --new-passphrase-file FILE",
				Description: examples("davit backup key add --recipient age1… --identity-file key.txt",
					"davit backup key add --repo /srv/backup --new-passphrase-file phrase") +
					exitCodes(exitDone, exitUsage, exitNoRepository, exitWrongKey),
				Flags: []cli.Flag{
					repoFlag(), recipientFlag(),
					&cli.StringFlag{Name: "new-passphrase-file", Usage: "`FILE` with a passphrase to add"}, jsonFlag(),
				},
				Action: h.keyAdd,
			},
			&cli.Command{
				Name: "remove", Aliases: []string{"rm"}, Usage: "Remove somebody's key, which does not take back what he could read",
				UsageText: "davit backup key remove --repo DIR KEY",
				Description: examples("davit backup key remove --repo /srv/backup 3f2a91c0", "davit backup key remove 3f2a91c0 --yes") +
					exitCodes(exitDone, exitUsage, exitNoRepository),
				Flags: []cli.Flag{repoFlag(), yesFlag(), jsonFlag()}, Action: h.keyRemove,
			},
			&cli.Command{
				Name: "enroll", Usage: "Give a host the key it needs to write into the repository",
				UsageText: "davit backup key enroll --repo DIR [--for HOST --out FILE | --from FILE]",
				Description: paragraph("With an identity at hand a host enrols itself. Where no identity is to go, --for HOST --out FILE makes the host's key "+
					"elsewhere, and --from FILE puts it in its place there. With that key a host encrypts and signs its backups and finds what is "+
					"stored already; it cannot decrypt. Who holds it can check whether the repository holds a file that he has, too.") +
					examples(
						"davit backup key enroll --identity-file key.txt --for web2 --out web2.key",
						"davit backup key enroll --repo /srv/backup --from web2.key",
					) + exitCodes(exitDone, exitUsage, exitNoRepository, exitWrongKey),
				Flags: []cli.Flag{
					repoFlag(),
					&cli.StringFlag{Name: "for", Usage: "`HOST` that the key is for (default: this one)"},
					&cli.StringFlag{Name: "out", Usage: "write the key to `FILE` instead of using it here"},
					&cli.StringFlag{Name: "from", Usage: "use the key in `FILE`"},
				},
				Action: h.keyEnroll,
			},
		),
	}
}

func recipientFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "recipient", Usage: "`age1…`, somebody who may decrypt it; may be repeated"}
}

func (h *host) openKeys(c *cli.Context, how access) (*repo.Repository, error) {
	dir, err := repoDir(c)
	if err != nil {
		return nil, err
	}
	options, err := h.repoOptions(c, how)
	if err != nil {
		return nil, err
	}
	return h.openRepository(c.Context, c, dir, options)
}

func (h *host) keyList(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	r, err := h.openKeys(c, readOnly)
	if err != nil {
		return err
	}
	defer r.Close()
	keys, err := r.Keys()
	if err != nil {
		return err
	}
	return h.writeKeys(c, keys...)
}

func (h *host) writeKeys(c *cli.Context, keys ...repo.WrappedKey) error {
	text := &textWriter{w: h.out}
	for _, k := range keys {
		if c.Bool("json") {
			if err := writeJSON(h.out, k); err != nil {
				return err
			}
			continue
		}
		text.linef("%s  %s  %s", k.ID, clock(k.Added), k.Name)
	}
	return text.err
}

// holders are those that the flags name.
func holders(c *cli.Context, passphrase string) ([]repo.KeyHolder, error) {
	var list []repo.KeyHolder
	for _, text := range c.StringSlice("recipient") {
		holder, err := repo.ParseHolder(text)
		if err != nil {
			return nil, misuse(c, err.Error(), "age-keygen makes an identity and shows its recipient")
		}
		list = append(list, holder)
	}
	if name := c.String(passphrase); name != "" {
		text, err := repo.ReadPassphrase(name)
		if err != nil {
			return nil, err
		}
		holder, err := repo.PassphraseHolder(text)
		if err != nil {
			return nil, err
		}
		list = append(list, holder)
	}
	return list, nil
}

func (h *host) keyAdd(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	list, err := holders(c, "new-passphrase-file")
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return misuse(c, "needs --recipient or --new-passphrase-file", "")
	}
	r, err := h.openKeys(c, readWrite)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, holder := range list {
		key, err := r.AddKey(c.Context, holder)
		if err == nil {
			err = h.writeKeys(c, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *host) keyRemove(c *cli.Context) error {
	args, err := arguments(c, 1, "KEY")
	if err != nil {
		return err
	}
	r, err := h.openKeys(c, readWrite)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := h.confirm(c, fmt.Sprintf("Remove the key %s?", args[0])); err != nil {
		return err
	}
	removed, err := r.RemoveKey(c.Context, args[0])
	if err != nil {
		return err
	}
	text := &textWriter{w: h.err}
	text.linef("its holder can still read what he could read before, if he kept a copy of the repository's key")
	return h.writeKeys(c, removed)
}

func (h *host) keyEnroll(c *cli.Context) error {
	if _, err := arguments(c, 0, ""); err != nil {
		return err
	}
	from, out, host := c.String("from"), c.String("out"), c.String("for")
	if from != "" && (out != "" || host != "") {
		return misuse(c, "--from does not go with --for and --out", "")
	}
	if host != "" && out == "" {
		return misuse(c, "--for needs --out FILE", "")
	}
	r, err := h.openKeys(c, readOnly)
	if err != nil {
		return err
	}
	defer r.Close()
	key, err := h.hostKey(r, from, host)
	if err != nil {
		return err
	}
	text := &textWriter{w: h.out}
	if out != "" {
		data, err := key.Encode()
		if err != nil {
			return err
		}
		if _, err := os.Lstat(out); err == nil {
			return misuse(c, out+" exists", "")
		}
		if err := hostfs.WriteFile(out, data, 0o600); err != nil {
			return err
		}
		text.linef("key of host %s for repository %.8s written to %s", shown(key.Host), key.Repository, out)
		return text.err
	}
	if err := r.Adopt(key); err != nil {
		return err
	}
	text.linef("host %s may write into repository %.8s, whose key is %s", shown(key.Host), key.Repository, key.Recipient)
	text.linef("key of this host: %s", filepath.Join(hostKeys(c), key.Repository+".json"))
	return text.err
}

// hostKey reads a host's key or makes one.
func (h *host) hostKey(r *repo.Repository, from, host string) (*repo.HostKey, error) {
	if from != "" {
		return repo.LoadHostKey(from)
	}
	if host == "" {
		name, err := h.hostname()
		if err != nil {
			return nil, fmt.Errorf("read host name: %w", err)
		}
		host = name
	}
	return r.Enroll(host)
}
