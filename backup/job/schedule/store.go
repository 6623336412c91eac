package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// ErrNotInstalled means that no schedule is installed for a job.
var ErrNotInstalled = errors.New("no schedule is installed")

// Manager is what a store needs of systemd.
type Manager interface {
	Enable(ctx context.Context, units ...string) error
	Disable(ctx context.Context, units ...string) error
	StartTimer(ctx context.Context, unit string) error
	StopTimer(ctx context.Context, unit string) error
	ReadFiles(ctx context.Context) error
	Timer(ctx context.Context, unit string) (next, last time.Time, err error)
}

// Store is where schedules are installed. With a Manager they are timers, else files for cron.
type Store struct {
	Manager Manager // nil without systemd
	UnitDir string  // /etc/systemd/system
	CronDir string  // /etc/cron.d
}

// Installed is one schedule that is installed.
type Installed struct {
	Job   string            `json:"job"`
	Drill bool              `json:"drill,omitempty"` // of the job's drills
	Kind  string            `json:"kind"`            // "timer" or "cron"
	When  []string          `json:"when"`            // OnCalendar expressions or cron lines
	Files map[string]string `json:"-"`               // path -> content
	Next  time.Time         `json:"next"`            // zero when that is not known
	Fired time.Time         `json:"fired"`           // by the timer, zero when never or not known
}

// files are the paths of a job's files.
func (s *Store) files(job string, drill bool) (timer, service, cron string) {
	name := unitName(job, drill)
	return filepath.Join(s.UnitDir, name+".timer"), filepath.Join(s.UnitDir, name+".service"), filepath.Join(s.CronDir, name)
}

// Install puts an entry in place, instead of an earlier one of the same job.
func (s *Store) Install(ctx context.Context, e *Entry) error {
	timer, service, cron := s.files(e.Job, e.Drill)
	if s.Manager == nil {
		if _, err := os.Stat(s.CronDir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("install schedule: there is no systemd here, and no %s: cron is not installed", s.CronDir)
		}
		return write(map[string]string{cron: e.CronFile()})
	}
	for _, dir := range []string{e.StateDir, e.CacheDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("install schedule: %w", err)
		}
	}
	if err := write(map[string]string{service: e.Service(), timer: e.Timer()}); err != nil {
		return err
	}
	name := filepath.Base(timer)
	if err := s.Manager.ReadFiles(ctx); err != nil {
		return err
	}
	if err := s.Manager.Enable(ctx, name); err != nil {
		return err
	}
	// A timer that runs keeps its old plan.
	if err := s.Manager.StopTimer(ctx, name); err != nil {
		return err
	}
	return s.Manager.StartTimer(ctx, name)
}

// write writes files, none of them in the place of one that somebody else made.
func write(files map[string]string) error {
	for path := range files {
		if _, err := readOwn(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for path, content := range files {
		if err := hostfs.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("install schedule: %w", err)
		}
	}
	return nil
}

// readOwn reads a file that this package wrote; another one is an error.
func readOwn(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read schedule: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return "", fmt.Errorf("read schedule: %w", err)
	}
	if !strings.HasPrefix(string(data), mark) {
		return "", fmt.Errorf("read schedule: %s was made by somebody else", path)
	}
	return string(data), nil
}

// Remove takes a job's schedule away; ErrNotInstalled when there is none.
func (s *Store) Remove(ctx context.Context, job string, drill bool) error {
	in, err := s.Show(ctx, job, drill)
	if err != nil {
		return err
	}
	if in.Kind == "timer" && s.Manager != nil {
		name := unitName(job, drill) + ".timer"
		if err := errors.Join(s.Manager.StopTimer(ctx, name), s.Manager.Disable(ctx, name)); err != nil {
			return err
		}
	}
	for path := range in.Files {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove schedule: %w", err)
		}
	}
	if in.Kind == "timer" && s.Manager != nil {
		return s.Manager.ReadFiles(ctx)
	}
	return nil
}

// Show finds the schedule of one job, of its runs or its drills; ErrNotInstalled when there is none.
func (s *Store) Show(ctx context.Context, job string, drill bool) (*Installed, error) {
	if strings.ContainsAny(job, "/\x00") {
		return nil, fmt.Errorf("%w for job %s", ErrNotInstalled, job)
	}
	timer, service, cron := s.files(job, drill)
	in := &Installed{Job: job, Drill: drill, Files: map[string]string{}}
	for _, path := range []string{timer, service, cron} {
		text, err := readOwn(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		in.Files[path] = text
	}
	if len(in.Files) == 0 {
		return nil, fmt.Errorf("%w for job %s", ErrNotInstalled, job)
	}
	in.Kind = "timer"
	if text, ok := in.Files[cron]; ok {
		in.Kind = "cron"
		in.readCron(text)
		return in, nil
	}
	for line := range strings.Lines(in.Files[timer]) {
		if when, ok := strings.CutPrefix(strings.TrimSpace(line), "OnCalendar="); ok {
			in.When = append(in.When, when)
		}
	}
	if s.Manager == nil {
		return in, nil
	}
	var err error
	in.Next, in.Fired, err = s.Manager.Timer(ctx, filepath.Base(timer))
	return in, err
}

// readCron reads the lines of a cron file; Next is filled in by NextAfter.
func (in *Installed) readCron(text string) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) > 6 && words[5] == "root" {
			in.When = append(in.When, strings.Join(words[:5], " "))
		}
	}
}

// NextAfter fills in when cron runs the job next; a timer knows it by itself.
func (in *Installed) NextAfter(now time.Time) {
	if in.Kind != "cron" {
		return
	}
	for _, line := range in.When {
		c, err := ParseCron(line)
		if err != nil {
			continue
		}
		if next := c.Next(now); in.Next.IsZero() || next.Before(in.Next) {
			in.Next = next
		}
	}
}

// List lists what is installed, by job.
func (s *Store) List(ctx context.Context) ([]*Installed, error) {
	list := []*Installed{}
	var errs []error
	for _, drill := range []bool{false, true} {
		jobs, err := s.jobs(drill)
		if err != nil {
			return nil, err
		}
		for job := range jobs {
			in, err := s.Show(ctx, job, drill)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			list = append(list, in)
		}
	}
	slices.SortFunc(list, func(a, b *Installed) int { return strings.Compare(unitName(a.Job, a.Drill), unitName(b.Job, b.Drill)) })
	return list, errors.Join(errs...)
}

// jobs are those that have a schedule, of their runs or their drills.
func (s *Store) jobs(drill bool) (map[string]bool, error) {
	found := map[string]bool{}
	for _, pattern := range []string{filepath.Join(s.UnitDir, unitName("*", drill)+".timer"), filepath.Join(s.CronDir, unitName("*", drill))} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("list schedules: %w", err)
		}
		for _, path := range paths {
			found[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), unitName("", drill)), ".timer")] = true
		}
	}
	return found, nil
}
