package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"davit/backup/job"
	"davit/diskscan"
	"davit/engine/hostfs"

	"github.com/urfave/cli/v2"
)

// remember compares with the last saved scan, and saves this one when that is asked for. A history that cannot be read
// only matters to who wants to add to it.
func (h *host) remember(c *cli.Context, r *diskscan.Report, flags scanFlags) error {
	history := diskscan.History{Path: filepath.Join(global(c, "state-dir"), "diskscan.json")}
	err := history.Compare(r)
	save, configErr := h.wantsSave(c, flags)
	if !save {
		return configErr
	}
	if err != nil {
		return err
	}
	return history.Save(r)
}

// wantsSave says whether the scan is to be saved: by the flag, else the environment, else the configuration, if there
// is one.
func (h *host) wantsSave(c *cli.Context, flags scanFlags) (bool, error) {
	if c.IsSet("save") {
		return flags.save, nil
	}
	config, err := job.ReadConfig(h.configFile(c))
	switch {
	case errors.Is(err, job.ErrNoConfig) || errors.Is(err, fs.ErrPermission):
		return false, nil
	case err != nil:
		return false, err
	}
	return config.Diskscan.Save, nil
}

// writePage writes the page that --html asks for.
func (h *host) writePage(r *diskscan.Report, flags scanFlags) error {
	if flags.html == "" {
		return nil
	}
	return h.writeOutput(flags.html, func(w io.Writer) error { return diskscan.WriteHTML(w, r, h.programOf()) })
}

// exportTree writes the tree below the one PATH.
func (h *host) exportTree(c *cli.Context, file string) error {
	return h.writeOutput(file, func(w io.Writer) error {
		return diskscan.ExportNCDU(c.Context, w, c.Args().First(), h.now())
	})
}

// writeOutput writes a file that is there complete or not at all; "-" is standard output.
func (h *host) writeOutput(file string, write func(io.Writer) error) error {
	if file == "-" {
		return write(h.out)
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return errors.New("write " + file + ": it is there and no regular file")
	}
	out, err := hostfs.Create(file, 0o600)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := write(out); err != nil {
		return err
	}
	return out.Commit()
}
