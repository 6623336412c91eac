package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	tempPrefix    = ".tmp-"
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
}

// register writes the session's file. What it says of removals is from before
// the file is there: of a later one the session may know nothing. It is locked before it gets its name, so
// that nobody who sees it finds it unlocked while the session lives.
func (s *Session) register() (err error) {
	if s.id, err = s.repo.newUUID(); err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	runs, err := s.repo.gcRuns()
	if err != nil {
		return err
	}
	s.gcSeen = highestGC(runs)
	content, err := json.Marshal(sessionFile{
		Version: 1, ID: s.id, Host: s.host, PID: os.Getpid(), BootID: boot,
		Time: s.repo.opt.Now().UTC().Round(0), Job: s.job, GCSeen: s.gcSeen,
	})
	if err != nil {
		return err
	}
	s.path = s.repo.path(sessionDir, s.id+sessionSuffix)
	temp := s.repo.path(sessionDir, tempPrefix+s.id)
	if s.file, err = os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, filePerm); err != nil {
		return err
	}
	_, err = s.file.Write(append(content, '\n'))
	if err == nil {
		_, err = tryLock(s.file)
	}
	if err == nil {
		err = os.Rename(temp, s.path)
	}
	if err != nil {
		return errors.Join(err, s.file.Close(), os.Remove(temp))
	}
	return nil
}

// unregister removes the file before the lock goes.
func (s *Session) unregister() error {
	err := os.Remove(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.file.Close())
}

// touch sets the file's time by the clock of its file system. A session that
// looks older than it is still holds its lock, so an error changes little.
func (s *Session) touch() { _ = touchNow(s.file) }

// removeLeftovers removes the temporary files of dead sessions, then their
// session files. Without dead sessions it does not list the blobs.
func (r *Repository) removeLeftovers(ctx context.Context, own *Session) error {
	self, err := own.file.Stat()
	if err != nil {
		return err
	}
	if err := r.removeOldTemps(self.ModTime()); err != nil {
		return err
	}
	dead, err := r.deadSessions(own, self.ModTime())
	if err != nil || len(dead) == 0 {
		return err
	}
	return r.removeDead(ctx, dead)
}

// removeDead removes the temporary files of sessions, then their own.
func (r *Repository) removeDead(ctx context.Context, dead []string) error {
	if err := r.removeTemps(ctx, dead); err != nil {
		return err
	}
	for _, id := range dead {
		err := os.Remove(r.path(sessionDir, id+sessionSuffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeOldTemps removes what a killed process was about to rename into place.
// Such a file does not tell whose it is; none is in use for a day.
func (r *Repository) removeOldTemps(now time.Time) error {
	for _, dir := range []string{"", refDir, indexDir, sessionDir} {
		entries, err := os.ReadDir(r.path(dir))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !isTemp(entry.Name()) {
				continue
			}
			info, err := entry.Info()
			if err != nil || now.Sub(info.ModTime()) < quietOther {
				continue // gone, or perhaps in use
			}
			if err := os.Remove(r.path(dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// isTemp knows this package's temporary files and those of hostfs.
func isTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) || strings.HasPrefix(name, ".davit-")
}

func (r *Repository) deadSessions(own *Session, now time.Time) ([]string, error) {
	entries, err := os.ReadDir(r.path(sessionDir))
	if err != nil {
		return nil, err
	}
	var dead []string
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), sessionSuffix)
		if !ok || !isUUID(id) || id == own.id {
			continue
		}
		if sessionIsDead(r.path(sessionDir, entry.Name()), own.host, now) {
			dead = append(dead, id)
		}
	}
	return dead, nil
}

// sessionIsDead is careful: whatever cannot be told counts as alive.
func sessionIsDead(path, host string, now time.Time) bool {
	f, _, err := openRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	if unlocked, err := tryLock(f); err != nil || !unlocked {
		return false
	}
	boot, err := bootID()
	if err != nil {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	quiet := now.Sub(info.ModTime())
	var content sessionFile
	if err := json.NewDecoder(io.LimitReader(f, maxSmallFile)).Decode(&content); err != nil {
		return quiet > quietOther
	}
	// A lock is certain among processes of one running kernel only: some
	// network file systems keep it on each machine.
	switch {
	case content.BootID == boot:
		return true
	case content.Host == host:
		return quiet > quietOwn
	default:
		return quiet > quietOther
	}
}

func (r *Repository) removeTemps(ctx context.Context, dead []string) error {
	dir, err := os.Open(r.path(blobDir))
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(4096)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for _, name := range names {
			if !belongsTo(name, dead) {
				continue
			}
			if err := removeAt(r.blobs, name); err != nil {
				return err
			}
		}
	}
}

func belongsTo(temp string, sessions []string) bool {
	rest, ok := strings.CutPrefix(temp, tempPrefix)
	if !ok {
		return false
	}
	for _, id := range sessions {
		if strings.HasPrefix(rest, id+"-") {
			return true
		}
	}
	return false
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
