package job

import (
	"maps"
	"slices"
	"strings"
	"time"

	"davit/backup"
)

// Config is the whole configuration file.
type Config struct {
	Version       int                      `yaml:"version"`
	Repositories  map[string]*Repository   `yaml:"repositories"`
	Jobs          map[string]*Job          `yaml:"jobs"`
	Notifications map[string]*Notification `yaml:"notifications"`
	Metrics       Metrics                  `yaml:"metrics"`
	Diskscan      Diskscan                 `yaml:"diskscan"`

	File string `yaml:"-"` // where it was read
}

// Diskscan is what davit diskscan does without being told.
type Diskscan struct {
	Save bool `yaml:"save"` // keep the totals of each scan
}

// Repository is a repository that jobs name.
type Repository struct {
	Path string `yaml:"path"` // folder, absolute
	// What decrypts it, as the flags of the same names; flags and environment go before these.
	IdentityFiles   []string `yaml:"identity_files"`
	IdentityCommand string   `yaml:"identity_command"`
	PassphraseFile  string   `yaml:"passphrase_file"`
	// AppendOnly is for credentials that may not remove; see repo.Options.
	AppendOnly bool `yaml:"append_only"`

	line int
}

// Job is one job. What is not given has the value of backup create, or that of the Default constants.
type Job struct {
	Repository  string             `yaml:"repository"` // may be left out when there is only one
	What        What               `yaml:"what"`       // nothing: everything that matters
	Consistency backup.Consistency `yaml:"consistency"`
	FSSnapshots backup.FSSnapshots `yaml:"fs_snapshots"`
	MaxFreeze   Duration           `yaml:"max_freeze"`
	AllowRMLoss bool               `yaml:"allow_rm_loss"`
	Tags        []string           `yaml:"tags"`
	After       []Step             `yaml:"after"`
	Verify      Verify             `yaml:"verify"`
	Retention   *Retention         `yaml:"retention"`
	Copy        *Copy              `yaml:"copy"`
	RPO         Age                `yaml:"rpo"` // how old the newest good snapshot may be; 0: any age
	RTO         Duration           `yaml:"rto"` // how long a drill may take until all is back; 0: any time
	Drill       *Drill             `yaml:"drill"`
	Wait        *Duration          `yaml:"wait"`         // for another run to end
	MaxDuration Duration           `yaml:"max_duration"` // 0: no limit
	Nice        int                `yaml:"nice"`
	IONice      IONice             `yaml:"ionice"`
	Notify      []string           `yaml:"notify"`
	Ping        *Ping              `yaml:"ping"`
	// Containers says for containers by name what labels of theirs could say; it goes before labels.
	Containers map[string]*Container `yaml:"containers"`

	Name string `yaml:"-"`
	line int
}

// DefaultWait is how long a run waits for another one when the job does not say.
const DefaultWait = time.Hour

// WaitTime is how long a run of the job waits for another run to end.
func (j *Job) WaitTime() time.Duration {
	if j.Wait == nil {
		return DefaultWait
	}
	return j.Wait.Duration
}

// What is backup.Selection as a job writes it.
type What struct {
	All        bool     `yaml:"all"`
	Volumes    []string `yaml:"volumes"`
	Paths      []string `yaml:"paths"`
	Binds      bool     `yaml:"binds"`
	Images     []string `yaml:"images"`
	Containers []string `yaml:"containers"`
	Projects   []string `yaml:"projects"`
	NoImages   bool     `yaml:"no_images"`
	RWLayers   bool     `yaml:"rw_layers"`
	Include    []string `yaml:"include"`
	Exclude    []string `yaml:"exclude"`
}

// Retention is backup.KeepPolicy as a job writes it.
type Retention struct {
	Last    int      `yaml:"last"`
	Hourly  int      `yaml:"hourly"`
	Daily   int      `yaml:"daily"`
	Weekly  int      `yaml:"weekly"`
	Monthly int      `yaml:"monthly"`
	Yearly  int      `yaml:"yearly"`
	Within  Age      `yaml:"within"`
	KeepTag []string `yaml:"keep_tag"`
}

// Verify says what the step verify-data reads.
type Verify struct {
	Sample Share `yaml:"sample"` // of the whole repository; 0: all of the new snapshot
}

// Copy says where the step of that name copies to.
type Copy struct {
	To             []string `yaml:"to"` // repositories by name, in this order
	AllowPlaintext bool     `yaml:"allow_plaintext"`
}

// Step is something that is done after the snapshot, in the order of the list.
type Step string

// The steps.
const (
	StepVerify     Step = "verify"      // that everything is there, with the right size
	StepVerifyData Step = "verify-data" // the new snapshot's data, or a sample of all, is read and decoded as well
	StepForget     Step = "forget"      // what the retention does not keep, of this host and job
	StepGC         Step = "gc"          // free the space
	StepCopy       Step = "copy"        // of this host and job, what is newer than the newest copy
	StepDrill      Step = "drill"       // restore the new snapshot beside what runs, and see whether it works
)

// Container is what a job says of one container; see package hook for the meaning.
type Container struct {
	App         string   `yaml:"app"`
	Pre         string   `yaml:"pre"`
	Post        string   `yaml:"post"`
	Consistency string   `yaml:"consistency"`
	Exclude     []string `yaml:"exclude"`
	Timeout     Duration `yaml:"timeout"`
}

// Metrics is where numbers for Prometheus go.
type Metrics struct {
	Textfile string `yaml:"textfile"` // in the folder that node_exporter reads; "" writes none
}

// Options is what the job asks of a backup.
func (j *Job) Options() backup.CreateOptions {
	w := j.What
	o := backup.CreateOptions{
		Selection: backup.Selection{
			All: w.All, Volumes: w.Volumes, Paths: w.Paths, Binds: w.Binds, Images: w.Images, Containers: w.Containers,
			Projects: w.Projects, NoImages: w.NoImages, RWLayers: w.RWLayers, Include: w.Include, Exclude: w.Exclude,
		},
		Consistency: j.Consistency, FSSnapshots: j.FSSnapshots, MaxFreeze: j.MaxFreeze.Duration, AllowRMLoss: j.AllowRMLoss,
		Job: j.Name, Tags: j.Tags, RPO: j.RPO.Duration(), Labels: map[string]map[string]string{},
	}
	for name, c := range j.Containers {
		o.Labels[name] = c.labels()
	}
	return o
}

// labels is what a container would say itself.
func (c *Container) labels() map[string]string {
	l := map[string]string{}
	for key, value := range map[string]string{
		backup.LabelApp: c.App, backup.LabelPre: c.Pre, backup.LabelPost: c.Post, backup.LabelConsistency: c.Consistency,
		backup.LabelExclude: strings.Join(c.Exclude, ","),
	} {
		if value != "" {
			l[key] = value
		}
	}
	if c.Timeout.Duration > 0 {
		l[backup.LabelTimeout] = c.Timeout.String()
	}
	return l
}

// policy is the retention as forget understands it.
func (r *Retention) policy() backup.KeepPolicy {
	return backup.KeepPolicy{
		Last: r.Last, Hourly: r.Hourly, Daily: r.Daily, Weekly: r.Weekly, Monthly: r.Monthly, Yearly: r.Yearly, Within: r.Within.Age,
		Tags: r.KeepTag,
	}
}

// Job finds a job by its name, as a *UnknownJobError when there is none.
func (c *Config) Job(name string) (*Job, error) {
	j, ok := c.Jobs[name]
	if !ok {
		return nil, &UnknownJobError{Name: name, File: c.File, Known: c.JobNames()}
	}
	return j, nil
}

// JobNames are the names of the jobs, sorted.
func (c *Config) JobNames() []string { return slices.Sorted(maps.Keys(c.Jobs)) }

// RepositoryOf is a job's repository.
func (c *Config) RepositoryOf(j *Job) *Repository { return c.Repositories[j.Repository] }

// NeedsEngine reports whether any job saves more than folders.
func (c *Config) NeedsEngine() bool {
	for _, j := range c.Jobs {
		if j.Options().Selection.NeedsEngine() {
			return true
		}
	}
	return false
}
