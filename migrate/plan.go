package migrate

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"davit/migrate/preflight"
)

// How old and new root are compared.
const (
	VerifyMeta   = "meta"   // everything but the content of files
	VerifySample = "sample" // and the content of small files and of some of the others
	VerifyFull   = "full"   // and all content, read back from the disk
)

// How a root gets to its new place.
const (
	MethodCopy    = "copy"
	MethodReflink = "reflink" // share the data, on a file system that can
	MethodRename  = "rename"  // within one file system; there is no second copy then
)

// Options are what the operator asked for beside the destination.
type Options struct {
	Verify         string        `json:"verify"`
	Method         string        `json:"method,omitempty"` // "": reflink where that is possible, else copy
	MaxDowntime    time.Duration `json:"max_downtime,omitempty"`
	BytesPerSecond int64         `json:"bytes_per_second,omitempty"` // of warm passes
	NoHold         bool          `json:"no_hold,omitempty"`
	AllowRmLoss    bool          `json:"allow_rm_loss,omitempty"`
	WriteMountUnit bool          `json:"write_mount_unit,omitempty"`
}

// Check tells what is wrong with the options.
func (o Options) Check() error {
	if !slices.Contains([]string{VerifyMeta, VerifySample, VerifyFull}, o.Verify) {
		return fmt.Errorf("unknown way to verify: %s", o.Verify)
	}
	if !slices.Contains([]string{"", MethodCopy, MethodReflink, MethodRename}, o.Method) {
		return fmt.Errorf("unknown method: %s", o.Method)
	}
	if o.MaxDowntime < 0 {
		return fmt.Errorf("the downtime allowed must not be negative")
	}
	if o.BytesPerSecond < 0 {
		return fmt.Errorf("the rate allowed must not be negative")
	}
	return nil
}

// Plan is what a run would do. It is made from a survey and changes nothing.
type Plan struct {
	ID       string            `json:"id"`
	Endpoint string            `json:"endpoint"` // of the engine
	Options  Options           `json:"options"`
	Survey   *preflight.Survey `json:"survey"`
}

// RefusedError is a plan that must not be run.
type RefusedError struct{ Findings []preflight.Finding }

func (e *RefusedError) Error() string {
	var what []string
	for _, f := range e.Findings {
		what = append(what, f.What)
	}
	return "refused: " + strings.Join(what, "; ")
}

// NewPlan makes a plan. A survey with refusals gives a plan that can be looked at, and a [*RefusedError] with it.
func NewPlan(s *preflight.Survey, endpoint string, o Options) (*Plan, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	p := &Plan{ID: strings.ToLower(rand.Text()[:12]), Endpoint: endpoint, Options: o, Survey: s}
	if s.Refused() {
		return p, &RefusedError{Findings: s.Refusals()}
	}
	if len(s.Stores) == 0 {
		return p, fmt.Errorf("there is nothing to move")
	}
	return p, nil
}

// store returns the store of a name.
func (p *Plan) store(name string) (preflight.Store, bool) {
	for _, s := range p.Survey.Stores {
		if s.Name == name {
			return s, true
		}
	}
	return preflight.Store{}, false
}

// Running lists the containers that a run stops and starts again.
func (p *Plan) Running() []preflight.Container {
	var up []preflight.Container
	for _, c := range p.Survey.Containers {
		if c.State == "running" || c.State == "paused" || c.State == "restarting" {
			up = append(up, c)
		}
	}
	return up
}
