package diskscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"davit/engine/hostfs"
)

// TruncatePlan says which logs are to be emptied.
type TruncatePlan struct {
	Logs []LogFile `json:"logs"`
	Keep int64     `json:"keep"`         // bytes of each log's end that are saved before
	To   string    `json:"to,omitempty"` // the folder for that
}

// PlanTruncate chooses logs by the names or ids of their containers.
func PlanTruncate(logs []LogFile, names []string, keep int64, to string) (*TruncatePlan, error) {
	p := &TruncatePlan{Keep: keep, To: to}
	chosen := map[string]bool{}
	for _, name := range names {
		l, err := findLog(logs, name)
		if err != nil {
			return nil, err
		}
		if l.Refused != "" {
			return nil, fmt.Errorf("truncate the log of %s: %s", l.Container, l.Refused)
		}
		if !chosen[l.ContainerID] {
			p.Logs = append(p.Logs, l)
		}
		chosen[l.ContainerID] = true
		if keep > 0 {
			if err := elsewhere(to, l.Path); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// NoSuchLogError is a name that is no container's.
type NoSuchLogError struct{ Name string }

func (e *NoSuchLogError) Error() string { return "no such container: " + e.Name }

func findLog(logs []LogFile, name string) (LogFile, error) {
	var found []LogFile
	for _, l := range logs {
		if l.Container == name || l.ContainerID == name {
			return l, nil
		}
		if len(name) >= 4 && strings.HasPrefix(l.ContainerID, name) {
			found = append(found, l)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return LogFile{}, &NoSuchLogError{name}
	}
	return LogFile{}, fmt.Errorf("%s is the beginning of %d ids", name, len(found))
}

// elsewhere makes sure that what is kept does not fill the very disk that is to be freed.
func elsewhere(to, log string) error {
	target, err := hostfs.StatPath(to)
	if err != nil {
		return fmt.Errorf("keep the end of a log: %w", err)
	}
	st, err := hostfs.StatPath(log)
	if err != nil {
		return err
	}
	if target.Dev == st.Dev {
		return fmt.Errorf("keep the end of a log in %s: that is on the same file system as the log", to)
	}
	return nil
}

// Truncated is what happened to one log.
type Truncated struct {
	Container string `json:"container"`
	Freed     int64  `json:"freed"`
	Kept      string `json:"kept,omitempty"` // the file with its end
	Error     string `json:"error,omitempty"`
}

// Apply empties the logs. Each is looked at again, on the file that is then truncated, just before.
func (p *TruncatePlan) Apply(now time.Time) (done []Truncated, err error) {
	for _, l := range p.Logs {
		t, one := p.truncate(&l, now)
		if t.Container = l.Container; one != nil {
			one = fmt.Errorf("truncate the log of %s: %w", l.Container, one)
			t.Error = one.Error()
		}
		err = errors.Join(err, one)
		done = append(done, t)
	}
	return done, err
}

func (p *TruncatePlan) truncate(l *LogFile, now time.Time) (t Truncated, err error) {
	file, err := l.open()
	if err != nil {
		return t, err
	}
	defer file.Close()
	if p.Keep > 0 {
		if t.Kept, err = p.keepEnd(l, file, now); err != nil {
			return t, err
		}
	}
	if why := l.refuses(file); why != "" {
		return t, errors.New(why)
	}
	before, err := file.Stat()
	if err != nil {
		return t, err
	}
	if err := file.Truncate(0); err != nil {
		return t, err
	}
	after, err := file.Stat()
	if err != nil {
		return t, err
	}
	t.Freed = hostfs.DiskUsage(before) - hostfs.DiskUsage(after)
	return t, nil
}

// keepEnd saves whole lines from the end of a log.
func (p *TruncatePlan) keepEnd(l *LogFile, file *os.File, now time.Time) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from := max(0, info.Size()-p.Keep)
	end := io.NewSectionReader(file, from, info.Size()-from)
	path := filepath.Join(p.To, fmt.Sprintf("%s-%s.log", l.ContainerID[:12], now.UTC().Format("20060102T150405.000")))
	out, err := hostfs.Create(path, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Abort()
	if from > 0 {
		if err := skipLine(end); err != nil {
			return "", err
		}
	}
	if _, err := io.Copy(out, end); err != nil {
		return "", err
	}
	return path, out.Commit()
}

// skipLine goes behind the first line break, if there is one.
func skipLine(r io.ReadSeeker) error {
	buf := make([]byte, 64<<10)
	for at := int64(0); ; {
		n, err := r.Read(buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			_, err := r.Seek(at+int64(i)+1, io.SeekStart)
			return err
		}
		if at += int64(n); err == io.EOF {
			_, err = r.Seek(0, io.SeekStart)
			return err
		}
		if err != nil {
			return err
		}
	}
}
