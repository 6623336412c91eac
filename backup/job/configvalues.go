package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"davit/backup"
	"davit/backup/verified"
)

// The classes of ionice.
const (
	ioIdle       = "idle"
	ioBestEffort = "best-effort"
)

// Duration is a time as Go writes it: 90s, 10m, 6h.
type Duration struct{ time.Duration }

// Age is a time as retention writes it: 26h, 30d, 8w.
type Age struct{ backup.Age }

// Duration is the age as a length of time; a year has 365 days.
func (a Age) Duration() time.Duration {
	return time.Duration((a.Years*365+a.Days)*24+a.Hours) * time.Hour
}

// Share is a part of all data: 5%.
type Share struct{ verified.Share }

// IONice is how a run stands in line for the disk.
type IONice struct {
	Class string // "idle", "best-effort" or ""
	Level int    // of best-effort: 0 is first, 7 is last
}

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err == nil {
		d.Duration, err = time.ParseDuration(text)
		if err != nil || d.Duration < 0 {
			err = fmt.Errorf("%q is no duration: write 90s, 10m or 6h", text)
		}
	}
	return at(node, err)
}

// UnmarshalYAML reads an age.
func (a *Age) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err == nil {
		if a.Age, err = backup.ParseAge(text); err != nil {
			err = fmt.Errorf("%q is no length of time: write 26h, 30d, 8w or 1y", text)
		}
	}
	return at(node, err)
}

// UnmarshalYAML reads a share.
func (s *Share) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err == nil {
		s.Share, err = verified.ParseShare(text)
	}
	return at(node, err)
}

// UnmarshalYAML reads "idle", "best-effort" or "best-effort:7".
func (n *IONice) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err == nil {
		err = n.parse(text)
	}
	return at(node, err)
}

func (n *IONice) parse(text string) error {
	class, level, leveled := strings.Cut(text, ":")
	*n = IONice{Class: class, Level: 4}
	switch {
	case class == ioIdle && !leveled, class == ioBestEffort && !leveled:
		return nil
	case class == ioBestEffort:
		l, err := strconv.Atoi(level)
		if err == nil && l >= 0 && l <= 7 {
			n.Level = l
			return nil
		}
	}
	return fmt.Errorf("ionice is %q, and must be idle, best-effort or best-effort:0 to best-effort:7", text)
}

// UnmarshalYAML reads the name of a step.
func (s *Step) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err == nil {
		*s = Step(text)
		switch *s {
		case StepVerify, StepVerifyData, StepForget, StepGC, StepCopy, StepDrill:
		default:
			err = fmt.Errorf("after: %q is no step; there are verify, verify-data, drill, copy, forget and gc", text)
		}
	}
	return at(node, err)
}

// word is the text of a word or number.
func word(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		if n.Value != "" {
			return n.Value, nil
		}
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, nil
	}
	return "", fmt.Errorf("expected a word, found %q", node.String())
}

// at says in which line an error is.
func at(node ast.Node, err error) error {
	if err == nil {
		return nil
	}
	return &lineError{line: node.GetToken().Position.Line, err: err}
}

type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }

func (e *lineError) Unwrap() error { return e.err }
