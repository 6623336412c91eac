package job

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// ErrNoConfig means that there is no configuration file.
var ErrNoConfig = errors.New("no configuration")

// ConfigError says what is wrong with a configuration, and where.
type ConfigError struct {
	File   string
	Line   int // 0 when it is about the whole
	Reason string
}

func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("config %s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("config %s:%d: %s", e.File, e.Line, e.Reason)
}

// UnknownJobError means that the configuration has no job of this name.
type UnknownJobError struct {
	Name, File string
	Known      []string
}

func (e *UnknownJobError) Error() string {
	return fmt.Sprintf("no job %q in %s", e.Name, e.File)
}

// ReadConfig reads and checks a configuration file. Its errors are ErrNoConfig, *ConfigError, and those of reading.
func ReadConfig(file string) (*Config, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoConfig, file)
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read config %s: %w", file, err)
	}
	return ParseConfig(file, data)
}

// ParseConfig reads a configuration. What it does not know, and what cannot be meant, is a *ConfigError.
func ParseConfig(file string, data []byte) (*Config, error) {
	if len(data) > maxConfig {
		return nil, &ConfigError{File: file, Reason: "is larger than 1 MiB"}
	}
	c := &Config{File: file}
	d := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := d.Decode(c); err != nil {
		return nil, configError(file, err)
	}
	if err := d.Decode(&Config{}); !errors.Is(err, io.EOF) {
		return nil, &ConfigError{File: file, Reason: "has more than one document"}
	}
	if err := c.check(); err != nil {
		err.File = file
		return nil, err
	}
	return c, nil
}

// configError takes the line out of what the library says, without its picture of the file.
func configError(file string, err error) error {
	if errors.Is(err, io.EOF) {
		return &ConfigError{File: file, Reason: "is empty"}
	}
	var own *lineError
	if errors.As(err, &own) {
		return &ConfigError{File: file, Line: own.line, Reason: own.err.Error()}
	}
	var known yaml.Error
	if errors.As(err, &known) {
		line := 0
		if t := known.GetToken(); t != nil {
			line = t.Position.Line
		}
		return &ConfigError{File: file, Line: line, Reason: known.GetMessage()}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &ConfigError{File: file, Reason: first}
}

// keepLine reads a node strictly into v and returns its line.
func keepLine(node ast.Node, v any) (int, error) {
	if err := yaml.NodeToValue(node, v, yaml.Strict()); err != nil {
		return 0, err
	}
	return node.GetToken().Position.Line, nil
}

// UnmarshalYAML reads a repository and keeps its line.
func (r *Repository) UnmarshalYAML(node ast.Node) (err error) {
	type plain Repository
	r.line, err = keepLine(node, (*plain)(r))
	return err
}

// UnmarshalYAML reads a job and keeps its line.
func (j *Job) UnmarshalYAML(node ast.Node) (err error) {
	type plain Job
	j.line, err = keepLine(node, (*plain)(j))
	return err
}

// UnmarshalYAML reads a notification and keeps its line.
func (n *Notification) UnmarshalYAML(node ast.Node) (err error) {
	type plain Notification
	n.line, err = keepLine(node, (*plain)(n))
	return err
}
