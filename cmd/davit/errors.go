package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/registry"
	"davit/backup/repo"
	"davit/engine"
)

// The exit codes of our own groups.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitPartial      = 3
	exitNoRepository = 10
	exitLocked       = 11
	exitWrongKey     = 12
	exitUnreachable  = 13
	exitDamaged      = 14
	exitUnprotected  = 15
	exitDockerUsage  = 125
	exitInterrupted  = 130
)

func exitMeaning(code int) string {
	switch code {
	case exitDone:
		return "done"
	case exitUsage:
		return "wrong usage, nothing was done"
	case exitPartial:
		return "done in part"
	case exitNoRepository:
		return "no repository"
	case exitLocked:
		return "repository locked"
	case exitWrongKey:
		return "wrong key, or none"
	case exitUnreachable:
		return "engine unreachable"
	case exitDamaged:
		return "verification or drill failed"
	case exitUnprotected:
		return "something is not protected, too old or damaged"
	case exitDockerUsage:
		return "wrong usage"
	case exitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// failure is how an error is told: one line, a way out where there is one, and the exit code.
type failure struct {
	message string
	hint    string
	code    int
}

// report prints an error, if there is one, and returns the exit code.
func (h *host) report(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	f := explain(ctx, err)
	_, _ = fmt.Fprintf(h.err, "davit: %s\n", visible(f.message))
	if f.hint != "" {
		_, _ = fmt.Fprintf(h.err, "hint: %s\n", visible(f.hint))
	}
	return f.code
}

// explain is the one place that turns an error into what is said and the code that is returned.
func explain(ctx context.Context, err error) failure {
	f := failure{message: oneLine(err), code: exitFailed}
	var interrupted interruptedError
	if errors.As(context.Cause(ctx), &interrupted) {
		f.message = strings.ReplaceAll(f.message, context.Canceled.Error(), interrupted.Error())
		f.code = exitInterrupted
		return f
	}
	for _, known := range []func(error, *failure) bool{
		explainUsage, explainJob, explainOutcome, explainMigrate, explainService, explainServer, explainRepository, explainEngine, explainBackup, explainScan, explainPrune, explainDoctor,
	} {
		if known(err, &f) {
			break
		}
	}
	return f
}

// oneLine returns the text of an error; several joined errors come in one line. A newline that remains is part of a
// name.
func oneLine(err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err.Error()
	}
	var lines, texts []string
	for _, e := range joined.Unwrap() {
		lines, texts = append(lines, e.Error()), append(texts, oneLine(e))
	}
	if strings.Join(lines, "\n") != err.Error() {
		return err.Error() // it has a wording of its own
	}
	return strings.Join(texts, "; ")
}

func explainUsage(err error, f *failure) bool {
	var davits *usageError
	var backups *backup.UsageError
	switch {
	case errors.As(err, &davits):
		*f = failure{message: davits.Error(), hint: davits.hint, code: davits.code}
	case errors.As(err, &backups):
		f.hint, f.code = backups.Hint, exitUsage
	case errors.Is(err, declinedError{}):
		f.code = exitFailed
	default:
		return false
	}
	return true
}

// explainOutcome knows the errors of commands that did their work and found or left something.
func explainOutcome(err error, f *failure) bool {
	var partial *backup.PartialError
	var damage *backup.DamageError
	var drilled *drill.FailedError
	switch {
	case errors.As(err, &drilled):
		f.hint, f.code = "davit backup history "+drilled.Report.ID+" shows its report", exitDamaged
	case errors.As(err, &partial):
		f.code = exitPartial
	case errors.As(err, &damage):
		f.code = exitDamaged
	default:
		return false
	}
	return true
}

func explainRepository(err error, f *failure) bool {
	var locked *repo.LockedError
	var newer *repo.NewerFormatError
	var damaged *repo.DamagedError
	var ambiguous *repo.AmbiguousError
	var index *repo.IndexDamageError
	var removal *repo.GCDamageError
	var removed *repo.RemovedError
	var unreadable *repo.UnreadableError
	switch {
	case explainKey(err, f):
	case errors.Is(err, registry.ErrNoCopy):
		f.hint, f.code = "davit backup copy --to oci://HOST/NAME copies there", exitNoRepository
	case errors.Is(err, repo.ErrNoRepository):
		f.hint, f.code = "davit backup init --repo DIR makes one", exitNoRepository
	case errors.Is(err, repo.ErrNotRepository):
		f.hint, f.code = "davit backup init --repo DIR makes a repository in a new or empty folder", exitNoRepository
	case errors.As(err, &locked):
		f.hint, f.code = "wait for it or stop it; the lock goes away with that process", exitLocked
	case errors.Is(err, repo.ErrAppendOnly):
		f.hint, f.code = "do it where a credential that may remove is, without --append-only or append_only of the configuration", exitUsage
	case errors.As(err, &newer):
		f.hint = "a newer davit wrote it; use that one"
	case errors.As(err, &damaged):
		f.hint, f.code = "davit backup verify tells what it hits", exitDamaged
	case errors.As(err, &index), errors.As(err, &removal):
		f.hint, f.code = "davit backup repair mends that", exitDamaged
	case errors.As(err, &removed):
		f.hint = "what gc has removed does not come back; a new backup stores it again"
	case errors.As(err, &unreadable):
		f.hint, f.code = "davit backup repair --dry-run tells more", exitDamaged
	case errors.Is(err, repo.ErrNotForgotten):
		f.hint = "davit backup undelete without an id lists what can come back"
	case errors.Is(err, repo.ErrNoSnapshot), errors.As(err, &ambiguous):
		f.hint = "davit backup ls shows what there is"
	default:
		return false
	}
	return true
}

func explainEngine(err error, f *failure) bool {
	var unreachable *engine.UnreachableError
	if !errors.As(err, &unreachable) {
		return false
	}
	f.hint, f.code = unreachable.Hint, exitUnreachable
	return true
}

func explainBackup(err error, f *failure) bool {
	var refused *backup.RefusedError
	var missing *backup.NotFoundError
	switch {
	case errors.As(err, &refused):
		f.hint = refused.Hint()
	case errors.As(err, &missing):
	default:
		return false
	}
	return true
}
