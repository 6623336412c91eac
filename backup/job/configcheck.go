package job

import (
	"davit/backup/repo/storage"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"davit/backup"
	"davit/backup/hook"
	"davit/backup/repo"
)

// validName keeps names of jobs usable in names of files, units and metrics.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func (c *Config) check() *ConfigError {
	if c.Version != 1 {
		return &ConfigError{Reason: fmt.Sprintf("version is %d, and must be 1", c.Version)}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Repositories)) {
		if err := c.checkRepository(name); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Notifications)) {
		n := c.Notifications[name]
		if n == nil {
			return &ConfigError{Reason: fmt.Sprintf("notification %s is empty", name)}
		}
		n.name = name
		if reason := n.check(); reason != "" {
			return &ConfigError{Line: n.line, Reason: fmt.Sprintf("notification %s: %s", name, reason)}
		}
	}
	for _, name := range c.JobNames() {
		j := c.Jobs[name]
		if j == nil {
			return &ConfigError{Reason: fmt.Sprintf("job %s is empty", name)}
		}
		j.Name = name
		if reason := c.checkJob(j); reason != "" {
			return &ConfigError{Line: j.line, Reason: fmt.Sprintf("job %s: %s", name, reason)}
		}
	}
	if m := c.Metrics.Textfile; m != "" && (!filepath.IsAbs(m) || filepath.Ext(m) != ".prom") {
		return &ConfigError{Reason: fmt.Sprintf("metrics: textfile is %q, and must be an absolute path that ends in .prom", m)}
	}
	return nil
}

func (c *Config) checkRepository(name string) *ConfigError {
	r := c.Repositories[name]
	switch {
	case r == nil:
		return &ConfigError{Reason: fmt.Sprintf("repository %s is empty", name)}
	case r.Path == "":
		return &ConfigError{Line: r.line, Reason: fmt.Sprintf("repository %s has no path", name)}
	case storage.IsRemote(r.Path):
		if err := storage.CheckLocation(r.Path); err != nil {
			return &ConfigError{Line: r.line, Reason: fmt.Sprintf("repository %s: %v", name, err)}
		}
	case !filepath.IsAbs(r.Path):
		return &ConfigError{Line: r.line, Reason: fmt.Sprintf("repository %s: path %q is not absolute", name, r.Path)}
	}
	return nil
}

// checkJob finds what cannot be meant, and fills in the repository when there is only one.
func (c *Config) checkJob(j *Job) string {
	if j.Repository == "" && len(c.Repositories) == 1 {
		for name := range c.Repositories {
			j.Repository = name
		}
	}
	if !validName.MatchString(j.Name) || j.Name == repo.JobPruneArchive {
		return "a name is made of letters, digits, - and _, at most 64, and is not prune-archive"
	}
	switch {
	case j.Repository == "":
		return "names no repository"
	case c.Repositories[j.Repository] == nil:
		return fmt.Sprintf("there is no repository %q", j.Repository)
	case j.Nice < -20 || j.Nice > 19:
		return fmt.Sprintf("nice is %d, and must be from -20 to 19", j.Nice)
	}
	for _, step := range j.After {
		if c.Repositories[j.Repository].AppendOnly && (step == StepForget || step == StepGC) {
			return fmt.Sprintf("after: %s removes, and repository %s is append_only", step, j.Repository)
		}
	}
	for _, n := range j.Notify {
		if c.Notifications[n] == nil {
			return fmt.Sprintf("there is no notification %q", n)
		}
	}
	if j.Ping != nil {
		if reason := j.Ping.check(); reason != "" {
			return "ping: " + reason
		}
	}
	for _, check := range []func() string{j.checkWhat, j.checkAfter, func() string { return c.checkCopy(j) }, j.checkContainers, j.checkDrill} {
		if reason := check(); reason != "" {
			return reason
		}
	}
	return ""
}

// checkWhat reports what backup create would refuse, in the words of the file.
func (j *Job) checkWhat() string {
	for _, p := range j.What.Paths {
		if !filepath.IsAbs(p) {
			return fmt.Sprintf("path %q is not absolute", p)
		}
	}
	err := j.Options().Check()
	var wrong *backup.UsageError
	if errors.As(err, &wrong) {
		return strings.TrimPrefix(wrong.Reason, "unknown --")
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (j *Job) checkAfter() string {
	forgets := slices.Contains(j.After, StepForget)
	switch {
	case forgets && (j.Retention == nil || j.Retention.policy().Empty()):
		return "after: forget needs a retention that keeps something"
	case !forgets && j.Retention != nil:
		return "retention is given, and nothing applies it: put forget into after"
	case j.Verify.Sample.Share > 0 && !slices.Contains(j.After, StepVerifyData):
		return "verify: a sample is given, and nothing reads it: put verify-data into after"
	}
	if r := j.Retention; r != nil {
		for _, n := range []int{r.Last, r.Hourly, r.Daily, r.Weekly, r.Monthly, r.Yearly} {
			if n < 0 {
				return fmt.Sprintf("retention: %d is no number of snapshots to keep", n)
			}
		}
		if err := backup.CheckTags(r.KeepTag); err != nil {
			return fmt.Sprintf("retention: keep_tag: %v", err)
		}
	}
	return ""
}

func (c *Config) checkCopy(j *Job) string {
	copies := slices.Contains(j.After, StepCopy)
	switch {
	case copies && (j.Copy == nil || len(j.Copy.To) == 0):
		return "after: copy needs copy: {to: [REPOSITORY]}"
	case !copies && j.Copy != nil:
		return "copy is given, and nothing does it: put copy into after"
	case !copies:
		return ""
	}
	for i, name := range j.Copy.To {
		switch {
		case c.Repositories[name] == nil:
			return fmt.Sprintf("copy: there is no repository %q", name)
		case name == j.Repository:
			return fmt.Sprintf("copy: %s is the job's own repository", name)
		case slices.Contains(j.Copy.To[:i], name):
			return fmt.Sprintf("copy: %s is named twice", name)
		}
	}
	return ""
}

func (j *Job) checkContainers() string {
	for _, name := range slices.Sorted(maps.Keys(j.Containers)) {
		c := j.Containers[name]
		if c == nil {
			return fmt.Sprintf("container %s is empty", name)
		}
		if err := hook.Check(c.labels()); err != nil {
			return fmt.Sprintf("container %s: %v", name, err)
		}
	}
	return ""
}
