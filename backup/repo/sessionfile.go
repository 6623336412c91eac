package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"davit/backup/repo/storage"
)

const (
	sessionSuffix = ".json"

	// How long a session that cannot be asked counts as alive after its file
	// was last touched, by the clock of the file system: one of this host
	// before a reboot, and one of another host.
	quietOwn   = 10 * time.Minute
	quietOther = 24 * time.Hour
)

// sessionFile is the content of davit/sessions/<uuid>.json.
type sessionFile struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	BootID  string    `json:"bootId"`
	Time    time.Time `json:"time"`
	Job     string    `json:"job"`
	GCSeen  int64     `json:"gcSeen"` // the newest removal that was there before the session

	Process process `json:"process"`
}

// lookForGC notes the newest removal for the first session, which saves that a round trip. One that came since counts as
// not seen: it waits for the session's end.
func (r *Repository) lookForGC(ctx context.Context) error {
	seen, err := r.newestGC(ctx)
	if err == nil {
		r.gcSeen.Store(&seen)
	}
	return err
}

// newestGC is the number of the newest removal, or 0.
func (r *Repository) newestGC(ctx context.Context) (int64, error) {
	runs, err := r.gcRuns(ctx)
	return highestGC(runs), err
}

// register writes the session's file. What it says of removals is from before
// the file is there: of a later one the session may know nothing.
func (s *Session) register(ctx context.Context) (err error) {
	if s.id, err = s.repo.newUUID(); err != nil {
		return err
	}
	process, err := thisProcess()
	if err != nil {
		return err
	}
	if seen := s.repo.gcSeen.Swap(nil); seen != nil {
		s.gcSeen = *seen
	} else if s.gcSeen, err = s.repo.newestGC(ctx); err != nil {
		return err
	}
	content, err := encodeChecked(sessionFile{
		Version: 1, ID: s.id, Host: s.host, PID: os.Getpid(), BootID: process.Boot,
		Time: s.repo.opt.Now().UTC().Round(0), Job: s.job, GCSeen: s.gcSeen, Process: process,
	})
	if err != nil {
		return err
	}
	s.claim, err = s.repo.store.Claim(ctx, sessionDir+"/"+s.id+sessionSuffix, content)
	return err
}

// removeLeftovers removes the temporary files of dead sessions, then their
// session files. Without dead sessions it does not list the blobs.
// On a server the keeper tidies, while the session is at work.
func (s *Session) removeLeftovers(ctx context.Context) error {
	if s.repo.opt.AppendOnly {
		return nil
	}
	r := s.repo
	entries, err := r.list(ctx, sessionDir, sessionSuffix, isUUID)
	if err != nil {
		return err
	}
	own, ok := entries[s.id]
	if !ok {
		return errors.New("somebody removed the session's file")
	}
	info, err := own.Info()
	if err != nil {
		return err
	}
	s.seen = info.Time
	if r.Local() {
		if err := r.store.Tidy(ctx, s.seen); err != nil {
			return err
		}
	}
	delete(entries, s.id)
	sessions, err := r.sessionStates(ctx, entries, s.seen, s.host)
	if err != nil {
		return err
	}
	var dead []string
	for _, s := range sessions {
		if s.Dead {
			dead = append(dead, s.ID)
		}
	}
	if len(dead) == 0 {
		return nil
	}
	return r.removeDead(ctx, dead)
}

// removeDead removes the temporary files of sessions, then their own.
func (r *Repository) removeDead(ctx context.Context, dead []string) error {
	if err := r.store.RemoveTemps(ctx, dead); err != nil {
		return err
	}
	for _, id := range dead {
		if err := r.store.Remove(ctx, sessionDir+"/"+id+sessionSuffix); err != nil {
			return err
		}
	}
	return nil
}

// isDead is careful: whatever cannot be told counts as alive.
func (f sessionFile) isDead(grip storage.Grip, quiet time.Duration, host string) bool {
	if grip == storage.Taken {
		return false
	}
	self, err := thisProcess()
	if err != nil {
		return false
	}
	// A lock is certain among processes of one running kernel only: some
	// network file systems keep it on each machine.
	switch {
	case f.BootID == self.Boot && (grip == storage.Free || f.Process.gone(self)):
		return true
	case f.BootID != "" && f.BootID != self.Boot && f.Host == host:
		return quiet > quietOwn
	default:
		return quiet > quietOther
	}
}

// newUUID makes a random (version 4) UUID.
func (r *Repository) newUUID() (string, error) {
	h, err := r.random(16)
	if err != nil {
		return "", err
	}
	variant := "89ab"[h[16]&3]
	return fmt.Sprintf("%s-%s-4%s-%c%s-%s", h[:8], h[8:12], h[13:16], variant, h[17:20], h[20:]), nil
}

func isUUID(s string) bool {
	parts := strings.Split(s, "-")
	if len(s) != 36 || len(parts) != 5 {
		return false
	}
	for _, part := range parts {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}
