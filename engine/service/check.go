package service

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"davit/engine/daemonjson"
)

// ConfigError means that dockerd would not start with its flags and file as they are.
type ConfigError struct {
	Unit   string
	Reason string
	Err    error // of the file, when it cannot be read
}

func (e *ConfigError) Error() string { return e.Unit + " would not start again: " + e.Reason }

// Unwrap returns what is wrong with the file.
func (e *ConfigError) Unwrap() error { return e.Err }

// CheckConfig tells whether dockerd would take its flags and file, so that nobody stops an engine that
// cannot come back; its error is a [*ConfigError]. dockerd itself is asked where it can
// tell, which is from 23.0 on.
func (s *Service) CheckConfig(ctx context.Context) error {
	unit, err := s.manager.Unit(ctx, s.name)
	if err != nil {
		return err
	}
	args := planned(unit)
	if reason, known := validate(ctx, args); known {
		if reason == "" {
			return nil
		}
		return &ConfigError{Unit: s.name, Reason: reason}
	}
	flags := daemonjson.Flags(args)
	file, err := daemonjson.Load(daemonjson.Find(flags, s.usual.ConfigFile))
	if err != nil {
		return &ConfigError{Unit: s.name, Reason: err.Error(), Err: err}
	}
	for _, c := range file.Conflicts(flags) {
		return &ConfigError{Unit: s.name, Reason: conflictText(Conflict(c), file.Path())}
	}
	return nil
}

func conflictText(c Conflict, path string) string {
	return fmt.Sprintf("%s comes by a flag (%s) and by %s (%s)", c.Key, strings.Join(c.FromFlag, ", "), path, c.FromFile)
}

// Text is the conflict in words; path is the file's.
func (c Conflict) Text(path string) string { return conflictText(c, path) }

// validateTime is how long dockerd may take to read its configuration.
const validateTime = 20 * time.Second

// validate asks dockerd what it thinks of its flags and file. known is false when it cannot
// tell.
func validate(ctx context.Context, args []string) (reason string, known bool) {
	if len(args) == 0 || filepath.Base(args[0]) != "dockerd" {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, validateTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], append(args[1:len(args):len(args)], "--validate")...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", true
	case !errors.As(err, &exit) || ctx.Err() != nil, strings.Contains(string(out), "unknown flag: --validate"):
		return "", false
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	text, _ := complaint(lines[len(lines)-1])
	return text, true
}
