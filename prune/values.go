package prune

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml/ast"
)

// Age is a duration: "90m", "12h", "30d", "2w", also written ">30d".
type Age struct{ time.Duration }

// Amount is a number of bytes ("20GB", "1.5GiB") or a share of the whole ("25%").
type Amount struct {
	Bytes   uint64
	Percent float64 // 0 when it is in bytes
}

// Words is one word or a list of them.
type Words []string

// ParseAge reads an age.
func ParseAge(s string) (Age, error) {
	bad := fmt.Errorf("%q is no duration: write 90m, 12h, 30d or 2w", s)
	text := strings.TrimSpace(strings.TrimPrefix(s, ">"))
	for unit, hours := range map[string]float64{"d": 24, "w": 7 * 24} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseFloat(digits, 64)
			if err != nil || math.IsNaN(n) || n < 0 || n*hours > float64(math.MaxInt64/int64(time.Hour)) {
				return Age{}, bad
			}
			return Age{time.Duration(n * hours * float64(time.Hour))}, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return Age{}, bad
	}
	return Age{d}, nil
}

// ParseAmount reads an amount.
func ParseAmount(s string) (Amount, error) {
	bad := fmt.Errorf("%q is no size: write 20GB, 1.5GiB or 25%%", s)
	if digits, ok := strings.CutSuffix(s, "%"); ok {
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || math.IsNaN(n) || n <= 0 || n > 100 {
			return Amount{}, bad
		}
		return Amount{Percent: n}, nil
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 || strings.HasPrefix(s, "-") {
		return Amount{}, bad
	}
	return Amount{Bytes: n}, nil
}

// of is the amount in units of a whole.
func (a *Amount) of(whole uint64) uint64 {
	if a.Percent > 0 {
		return uint64(float64(whole) * a.Percent / 100)
	}
	return a.Bytes
}

func (a *Amount) String() string {
	if a.Percent > 0 {
		return strconv.FormatFloat(a.Percent, 'f', -1, 64) + "%"
	}
	return humanize.IBytes(a.Bytes)
}

// UnmarshalYAML reads an age.
func (a *Age) UnmarshalYAML(node ast.Node) (err error) {
	text, err := scalar(node)
	if err == nil {
		*a, err = ParseAge(text)
	}
	return at(node, err)
}

// UnmarshalYAML reads an amount.
func (a *Amount) UnmarshalYAML(node ast.Node) (err error) {
	text, err := scalar(node)
	if err == nil {
		*a, err = ParseAmount(text)
	}
	return at(node, err)
}

// UnmarshalYAML reads one word or several.
func (w *Words) UnmarshalYAML(node ast.Node) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		text, err := scalar(node)
		*w = Words{text}
		return at(node, err)
	}
	for _, n := range list.Values {
		text, err := scalar(n)
		if err != nil {
			return at(n, err)
		}
		*w = append(*w, text)
	}
	return nil
}

// scalar is the text of a word or number.
func scalar(node ast.Node) (string, error) {
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
