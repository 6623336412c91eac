package prune

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// maxPolicy bounds a policy file.
const maxPolicy = 1 << 20

// PolicyError says what is wrong with a policy, and where.
type PolicyError struct {
	Name   string // of the file
	Line   int    // 0 when it is about the whole
	Reason string
}

func (e *PolicyError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("policy %s: %s", e.Name, e.Reason)
	}
	return fmt.Sprintf("policy %s:%d: %s", e.Name, e.Line, e.Reason)
}

// ParsePolicy reads a policy. What it does not know, and what cannot be meant, is a *PolicyError.
func ParsePolicy(name string, data []byte) (*Policy, error) {
	if len(data) > maxPolicy {
		return nil, &PolicyError{Name: name, Reason: "is larger than 1 MiB"}
	}
	p := &Policy{}
	d := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := d.Decode(p); err != nil {
		return nil, yamlError(name, err)
	}
	if err := d.Decode(&Policy{}); !errors.Is(err, io.EOF) {
		return nil, &PolicyError{Name: name, Reason: "has more than one document"}
	}
	p.Name = name
	if err := p.check(); err != nil {
		err.Name = name
		return nil, err
	}
	return p, nil
}

// yamlError takes the line out of what the library says, without its picture of the file.
func yamlError(name string, err error) error {
	if errors.Is(err, io.EOF) {
		return &PolicyError{Name: name, Reason: "is empty"}
	}
	var own *lineError
	if errors.As(err, &own) {
		return &PolicyError{Name: name, Line: own.line, Reason: own.err.Error()}
	}
	var known yaml.Error
	if errors.As(err, &known) {
		line := 0
		if t := known.GetToken(); t != nil {
			line = t.Position.Line
		}
		return &PolicyError{Name: name, Line: line, Reason: known.GetMessage()}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &PolicyError{Name: name, Reason: first}
}

// UnmarshalYAML reads a rule and keeps its line.
func (r *Rule) UnmarshalYAML(node ast.Node) error {
	type plain Rule
	if err := yaml.NodeToValue(node, (*plain)(r), yaml.Strict()); err != nil {
		return err
	}
	r.line = node.GetToken().Position.Line
	return nil
}

func (p *Policy) check() *PolicyError {
	switch {
	case p.Version != 1:
		return &PolicyError{Reason: fmt.Sprintf("version is %d, and must be 1", p.Version)}
	case len(p.Rules) == 0:
		return &PolicyError{Reason: "has no rules: an empty policy removes nothing, which nobody means"}
	case p.Limits.MaxDelete < 0:
		return &PolicyError{Reason: "max_delete is negative"}
	case p.Limits.MaxBytes != nil && p.Limits.MaxBytes.Percent > 0:
		return &PolicyError{Reason: "max_bytes is no share"}
	}
	for i := range p.Protect {
		if reason := p.Protect[i].check(); reason != "" {
			return &PolicyError{Reason: fmt.Sprintf("protect %d: %s", i+1, reason)}
		}
		if p.Protect[i].Previous < 0 {
			return &PolicyError{Reason: fmt.Sprintf("protect %d: previous is negative", i+1)}
		}
		if p.Protect[i].empty() {
			return &PolicyError{Reason: fmt.Sprintf("protect %d: selects nothing", i+1)}
		}
	}
	names := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		if reason := r.check(); reason != "" {
			return &PolicyError{Line: r.line, Reason: reason}
		}
		if names[r.Name] {
			return &PolicyError{Line: r.line, Reason: fmt.Sprintf("two rules are named %q", r.Name)}
		}
		names[r.Name] = true
	}
	return nil
}

func (r *Rule) check() string {
	named := r.Select.Named != nil && *r.Select.Named
	switch {
	case r.Name == "":
		return "a rule has no name"
	case r.Select.Kind == "":
		return fmt.Sprintf("rule %q selects no kind", r.Name)
	case r.Action != Remove && r.Action != ArchiveRemove:
		return fmt.Sprintf("rule %q: action is %q, and must be remove or archive+remove", r.Name, r.Action)
	case named && r.Action != ArchiveRemove:
		return fmt.Sprintf("rule %q: named volumes can only be removed with archive+remove", r.Name)
	case r.Action == ArchiveRemove && r.Select.Kind == Cache:
		return fmt.Sprintf("rule %q: the build cache cannot be archived", r.Name)
	case r.Order != "" && r.Order != LRU && r.Order != Largest:
		return fmt.Sprintf("rule %q: order is %q, and must be lru or size", r.Name, r.Order)
	case r.Select.Previous != 0:
		return fmt.Sprintf("rule %q: previous is for protect", r.Name)
	case r.Keep.Last < 0:
		return fmt.Sprintf("rule %q: keep last is negative", r.Name)
	case r.Keep.Last > 0 && r.Select.Kind != Image:
		return fmt.Sprintf("rule %q: keep last is for images", r.Name)
	case r.Keep.Space != nil && (r.Select.Kind != Cache || r.Keep.Space.Percent > 0):
		return fmt.Sprintf("rule %q: keep space is for the build cache, and in bytes", r.Name)
	}
	if reason := r.Select.check(); reason != "" {
		return fmt.Sprintf("rule %q: %s", r.Name, reason)
	}
	return ""
}

// check finds what does not go together, as "ref is for images".
func (s *Selector) check() string {
	if s.Kind != "" && !s.Kind.known() {
		return fmt.Sprintf("kind is %q, and must be container, image, volume, network or cache", s.Kind)
	}
	for _, use := range []struct {
		name  string
		given bool
		kinds []Kind
	}{
		{"ref", len(s.Ref) > 0, []Kind{Image}},
		{"name", len(s.Name) > 0, []Kind{Container, Image, Volume, Network}},
		{"type", len(s.Type) > 0, []Kind{Cache}},
		{"state", len(s.State) > 0, []Kind{Container}},
		{"exited", s.Exited != nil, []Kind{Container}},
		{"unused", s.Unused != nil, []Kind{Image, Volume, Network, Cache}},
		{"dangling", s.Dangling != nil, []Kind{Image}},
		{"previous", s.Previous != 0, []Kind{Image}},
		{"anonymous", s.Anonymous != nil, []Kind{Volume}},
		{"named", s.Named != nil, []Kind{Volume}},
		{"label", len(s.Label) > 0, []Kind{"", Container, Image, Volume, Network}},
	} {
		if use.given && !slices.Contains(use.kinds, s.Kind) {
			return fmt.Sprintf("%s does not go with kind %q", use.name, s.Kind)
		}
	}
	for _, glob := range slices.Concat(s.Ref, s.Name) {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Sprintf("%q is no pattern", glob)
		}
	}
	for _, state := range s.State {
		if !slices.Contains([]string{"exited", "created", "dead"}, state) {
			return fmt.Sprintf("state is %q, and must be exited, created or dead: others are never removed", state)
		}
	}
	for _, l := range s.Label {
		if key, _, _ := strings.Cut(strings.TrimPrefix(l, "!"), "="); key == "" {
			return fmt.Sprintf("label %q has no key", l)
		}
	}
	return ""
}

func (s *Selector) empty() bool {
	return s.Kind == "" && len(s.Label) == 0 && s.Age == nil
}
