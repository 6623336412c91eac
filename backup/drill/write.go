package drill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"davit/backup"
	"davit/engine/hostfs"
)

// CheckReport reports a file name that says no form of report, as a *backup.UsageError.
func CheckReport(file string) error {
	if writerFor(file) == nil {
		return &backup.UsageError{Reason: fmt.Sprintf("report %q has no known form", file), Hint: "end its name in .html, .md or .json"}
	}
	return nil
}

// WriteFile writes a report in the form that the file's name says. Reports name what a host runs: others cannot read the file.
func WriteFile(file string, r *Report) error {
	if err := CheckReport(file); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := writerFor(file)(&text, r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return hostfs.WriteFile(file, text.Bytes(), 0o600)
}

func writerFor(file string) func(io.Writer, *Report) error {
	switch filepath.Ext(file) {
	case ".html":
		return WriteHTML
	case ".md":
		return WriteMarkdown
	case ".json":
		return WriteJSON
	}
	return nil
}

// WriteJSON writes the report as one indented document.
func WriteJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
