package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/registry"
	"davit/backup/repo"
	"davit/backup/repo/storage"
	"davit/engine"
)

// TestErrorsAreTold shows for each kind of error the message, the hint and the exit code, however deeply it is wrapped.
func TestErrorsAreTold(t *testing.T) {
	lock := &repo.LockedError{PID: 4121, Host: "nas", Since: time.Date(2026, 11, 23, 3, 10, 0, 0, time.Local)}
	open := func(dir string, err error) error { return fmt.Errorf("open repository %s: %w", dir, err) }
	for _, c := range []struct {
		err  error
		want string // the lines on the screen
		code int
	}{
		{errors.New("read x: input/output error"), "davit: read x: input/output error", 1},
		{open("/srv/backup", lock), "davit: open repository /srv/backup: locked by pid 4121 on nas since 03:10\n" +
			"hint: wait for it or stop it; the lock goes away with that process", 11},
		{open("/b", repo.ErrNoRepository), "davit: open repository /b: no repository here\n" +
			"hint: davit backup init --repo DIR makes one", 10},
		{open("oci://h/n", registry.ErrNoCopy), "davit: open repository oci://h/n: no repository here: nothing was copied to this place\n" +
			"hint: davit backup copy --to oci://HOST/NAME copies there", 10},
		{open("/b", repo.ErrNotRepository), "davit: open repository /b: not a davit repository\n" +
			"hint: davit backup init --repo DIR makes a repository in a new or empty folder", 10},
		{open("/b", &repo.NewerFormatError{Version: 9}), "davit: open repository /b: repository format 9 is newer than this davit knows (1)\n" +
			"hint: a newer davit wrote it; use that one", 1},
		{fmt.Errorf("x: %w", &repo.AmbiguousError{Spec: "ab", Matches: []string{"ab1", "ab2"}}),
			"davit: x: snapshot ab is ambiguous: ab1, ab2\nhint: davit backup ls shows what there is", 1},
		{&backup.UsageError{Reason: "--max-freeze is negative", Hint: "10s is the default"},
			"davit: --max-freeze is negative\nhint: 10s is the default", 2},
		{&usageError{command: "backup create", message: "needs --repo DIR", hint: "or else", code: 2},
			"davit: backup create: needs --repo DIR\nhint: or else", 2},
		{&engine.UnreachableError{Endpoint: "unix:///x", Reason: "no socket", Hint: "is it running?"},
			"davit: cannot reach the engine at unix:///x: no socket\nhint: is it running?", 13},
		{&backup.PartialError{Action: "create", Problems: 2}, "davit: create is done in part: 2 problems", 3},
		{&backup.DamageError{Blobs: 1, Snapshots: 2}, "davit: verify: 1 damaged blob in 2 snapshots", 14},
		{fmt.Errorf("take lock: %w", &storage.KeptError{Name: "davit/x"}), "davit: take lock: remove davit/x: the server does not allow it\n" +
			"hint: create --append-only, or append_only in the configuration, makes backups where nothing may be removed; all else needs to be allowed that", 1},
		{fmt.Errorf("x: %w", &storage.UnfitError{Reason: "it forgets"}), "davit: x: server is not fit for a repository: it forgets\n" +
			"hint: davit help repositories tells what a server must do; use another one, or a folder", 1},
		{errors.Join(&repo.DamagedError{Reason: "missing"}, nil),
			"davit: blob sha256:" + strings.Repeat("0", 64) + ": missing\nhint: davit backup verify tells what it hits", 14},
		{&backup.NotFoundError{What: "volume", Name: "pg", Where: "this host"}, "davit: no such volume on this host: pg", 1},
		{&backup.RefusedError{Action: "restore", Reasons: []backup.Refusal{{Item: "volume/a", Reason: "exists", Hint: "--in-place"}}},
			"davit: refuse to restore: volume/a: exists\nhint: --in-place", 1},
		{errors.Join(errors.New("name ev\x1b[31mil\nline"), errors.Join(errors.New("b"), errors.New("c"))), `davit: name ev\x1b[31mil\nline; b; c`, 1},
	} {
		var screen bytes.Buffer
		h := &host{err: &screen}
		code := h.report(t.Context(), c.err)
		if got := strings.TrimSuffix(screen.String(), "\n"); got != c.want || code != c.code {
			t.Errorf("got code %d\n%s\nwant code %d\n%s", code, got, c.code, c.want)
		}
	}
}

// TestInterrupted shows that whatever fails after a signal is told as an interruption, with what failed.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interruptedError{signal: syscall.SIGTERM})
	var screen bytes.Buffer
	h := &host{err: &screen}
	code := h.report(ctx, fmt.Errorf("save volume/a: %w", context.Canceled))
	if want := "davit: save volume/a: interrupted by SIGTERM\n"; code != 130 || screen.String() != want {
		t.Errorf("code %d: %s", code, screen.String())
	}
}
