package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"davit/backup"

	"github.com/urfave/cli/v2"
)

func (h *host) backupFilesCommand() *cli.Command {
	return &cli.Command{
		Name:      "files",
		Usage:     "List the files of an item",
		UsageText: "davit backup files --repo DIR SNAPSHOT:KIND/NAME[//PATH] [flags]",
		Description: examples(
			"davit backup files --repo /srv/backup latest:volume/pgdata",
			"davit backup files --repo /srv/backup latest:volume/pgdata//base/1 --json",
		) + exitCodes(exitDone, exitUsage, exitNoRepository, exitDamaged),
		Flags:  append([]cli.Flag{repoFlag(), jsonFlag()}, whoseFlags()...),
		Action: h.backupFiles,
	}
}

func (h *host) backupFiles(c *cli.Context) error {
	args, err := arguments(c, 1, "SNAPSHOT:KIND/NAME")
	if err != nil {
		return err
	}
	env, closeRepo, err := h.openBackup(c, readOnly)
	if err != nil {
		return err
	}
	defer closeRepo()
	out := bufio.NewWriter(h.out)
	write := writeFileLine
	if c.Bool("json") {
		write = writeFileJSON
	}
	err = backup.Files(c.Context, env, args[0], whose(c), func(f backup.FileInfo) error { return write(out, f) })
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}

// writeFileLine prints an entry as ls -l does, with numeric owners: names belong to the host that was saved.
func writeFileLine(w io.Writer, f backup.FileInfo) error {
	path := f.Path
	if path == "" {
		path = "."
	}
	line := fmt.Sprintf("%s %5d %5d %10s %s %s", permissions(f), f.UID, f.GID, size(f.Size), clock(f.Mtime), path)
	if f.Target != "" {
		line += ifElse(f.Type == "hardlink", " = ", " -> ") + f.Target
	}
	if f.Note != "" {
		line += "  (" + f.Note + ")"
	}
	_, err := fmt.Fprintln(w, visible(line))
	return err
}

// permissions is the first column of ls -l.
func permissions(f backup.FileInfo) string {
	kind := map[string]byte{"dir": 'd', "symlink": 'l', "fifo": 'p', "char": 'c', "block": 'b', "socket": 's'}[f.Type]
	if kind == 0 {
		kind = '-'
	}
	b := []byte{kind}
	for i, letter := range "rwxrwxrwx" {
		if f.Mode&(1<<(8-i)) == 0 {
			letter = '-'
		}
		b = append(b, byte(letter))
	}
	for _, special := range []struct {
		bit    uint32
		at     int
		letter byte
	}{{0o4000, 3, 's'}, {0o2000, 6, 's'}, {0o1000, 9, 't'}} {
		if f.Mode&special.bit == 0 {
			continue
		}
		executable := b[special.at] == 'x'
		b[special.at] = special.letter
		if !executable {
			b[special.at] = strings.ToUpper(string(special.letter))[0]
		}
	}
	return string(b)
}

// writeFileJSON writes an entry as one line of JSON. JSON holds Unicode only: a name that is not valid UTF-8 comes
// with its bytes beside it, base64 as JSON writes bytes.
func writeFileJSON(w io.Writer, f backup.FileInfo) error {
	return writeJSON(w, struct {
		backup.FileInfo
		PathBytes   []byte `json:"path_bytes,omitempty"`
		TargetBytes []byte `json:"target_bytes,omitempty"`
	}{f, bytesIfInvalid(f.Path), bytesIfInvalid(f.Target)})
}

func bytesIfInvalid(s string) []byte {
	if utf8.ValidString(s) {
		return nil
	}
	return []byte(s)
}
