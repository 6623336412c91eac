package migrate

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// waitForOthers waits until no other run of davit may have containers paused or stopped: it would want them back, from
// an engine that is down, and what it has paused would be taken for paused by its owner. It tells whether it had to wait.
func (r *work) waitForOthers(ctx context.Context) (waited bool, err error) {
	if r.Others == nil {
		return false, nil
	}
	for {
		runs, err := r.Others()
		if err != nil {
			return waited, fmt.Errorf("look for other runs: %w", err)
		}
		if len(runs) == 0 {
			return waited, nil
		}
		if !waited {
			r.Report.Say("waiting for the end of a backup, run " + strings.Join(runs, ", "))
			r.Report.Item("waiting for the end of a backup")
		}
		waited = true
		select {
		case <-ctx.Done():
			return waited, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// CuttingOver tells whether a migration has gone so far that nothing else should begin to work with containers: from
// hold to its end.
func CuttingOver(stateDir string) bool {
	s, err := Load(stateDir)
	return err == nil && s.Outcome == "" && s.Step != StepCopy && s.Step != StepCopyBack && Busy(stateDir)
}
