package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"davit/engine"
	"davit/engine/hostfs"
)

// helpersNote says on which engine a run may have left helpers.
type helpersNote struct{ Endpoint string }

func noteFolder(stateDir string) string { return filepath.Join(stateDir, "agents") }

const noteSuffix = ".json"

func writeNote(stateDir, run, reference string) (*hostfs.Note, error) {
	n, err := hostfs.WriteNote(filepath.Join(noteFolder(stateDir), run+noteSuffix), helpersNote{reference})
	if err != nil {
		return nil, fmt.Errorf("note a helper container: %w", err)
	}
	return n, nil
}

func leftNotes(stateDir string) ([]string, error) {
	return hostfs.Matching(noteFolder(stateDir), "?*"+noteSuffix)
}

// Left tells whether there may be something for Recover to do.
func Left(stateDir string) bool {
	left, err := leftNotes(stateDir)
	return err == nil && len(left) > 0
}

// Recover removes the helper containers and their images that killed processes left, and returns how many containers there
// were; those of living processes are left alone. What cannot be removed now stays noted, and is told by the error.
func Recover(ctx context.Context, stateDir string, connect func(ctx context.Context, reference string) (*engine.Engine, error)) (int, error) {
	paths, err := leftNotes(stateDir)
	if err != nil {
		return 0, fmt.Errorf("look for helper containers: %w", err)
	}
	removed := 0
	var errs []error
	for _, path := range paths {
		n, err := recoverRun(ctx, path, connect)
		removed += n
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func recoverRun(ctx context.Context, path string, connect func(ctx context.Context, reference string) (*engine.Engine, error)) (int, error) {
	var doc helpersNote
	n, err := hostfs.AdoptNote(path, &doc)
	if err != nil {
		return 0, fmt.Errorf("look for helper containers: %w", err)
	}
	if n == nil {
		return 0, nil
	}
	if doc.Endpoint == "" { // it names no engine
		return 0, n.Done()
	}
	eng, err := connect(ctx, doc.Endpoint)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("remove the helper containers that %s notes: %w", path, err), n.Leave())
	}
	defer eng.Close()
	removed, err := eng.RemoveHelpers(ctx, strings.TrimSuffix(filepath.Base(path), noteSuffix))
	if err != nil {
		return removed, errors.Join(err, n.Leave())
	}
	return removed, n.Done()
}
