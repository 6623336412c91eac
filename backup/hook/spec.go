package hook

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"davit/backup"
)

// DefaultTimeout is how long a command may take when nobody says.
const DefaultTimeout = 5 * time.Minute

// Command is what is run in a container.
type Command struct {
	Text string   `json:"text"` // for people
	Args []string `json:"args"`
	User string   `json:"user,omitempty"` // "" is the container's own
}

// Spec is what labels ask for.
type Spec struct {
	Pre     []Command
	Post    []Command
	Timeout time.Duration // of each command
}

// Check reports labels that cannot be meant.
func Check(labels map[string]string) error {
	switch c := labels[backup.LabelConsistency]; backup.Consistency(c) {
	case "", backup.ConsistencyPause, backup.ConsistencyStop, backup.ConsistencyLive:
	default:
		return fmt.Errorf("consistency is %q, and must be pause, stop or live", c)
	}
	_, err := Parse(labels)
	return err
}

// Parse reads the labels that name commands; nil when there are none.
func Parse(labels map[string]string) (*Spec, error) {
	s := &Spec{Timeout: DefaultTimeout}
	if app := labels[backup.LabelApp]; app != "" {
		r, ok := recipe(app)
		if !ok {
			return nil, fmt.Errorf("app is %q, and must be one of %s", app, strings.Join(Apps(), ", "))
		}
		s.Pre = append(s.Pre, r)
	}
	for label, list := range map[string]*[]Command{backup.LabelPre: &s.Pre, backup.LabelPost: &s.Post} {
		c, ok, err := ParseCommand(labels[label])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimPrefix(label, backup.LabelBackup+"."), err)
		}
		if ok {
			*list = append(*list, c)
		}
	}
	if text := labels[backup.LabelTimeout]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("timeout is %q, and must be a duration such as 90s or 5m", text)
		}
		s.Timeout = d
	}
	if len(s.Pre)+len(s.Post) == 0 {
		return nil, nil
	}
	return s, nil
}

// ParseCommand reads a line for the shell, or a JSON list of arguments; false when there is none.
func ParseCommand(text string) (Command, bool, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Command{}, false, nil
	case !strings.HasPrefix(text, "["):
		return shell(text), true, nil
	}
	c := Command{Text: text}
	if err := json.Unmarshal([]byte(text), &c.Args); err != nil || len(c.Args) == 0 || c.Args[0] == "" {
		return Command{}, false, fmt.Errorf("%s is no JSON list of a command and its arguments", text)
	}
	return c, true, nil
}

func shell(line string) Command {
	return Command{Text: line, Args: []string{"/bin/sh", "-c", line}}
}

// describe is what runs, in one line.
func (s *Spec) describe() string {
	var parts []string
	for _, c := range s.Pre {
		parts = append(parts, "before: "+c.Text)
	}
	for _, c := range s.Post {
		parts = append(parts, "after: "+c.Text)
	}
	return strings.Join(parts, ", ")
}
