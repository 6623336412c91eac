package job

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// Notification says who is told of a run, and how: by a shoutrrr address or by a webhook.
type Notification struct {
	URL         string            `yaml:"url"`
	URLFile     string            `yaml:"url_file"`
	Webhook     string            `yaml:"webhook"`
	WebhookFile string            `yaml:"webhook_file"`
	Headers     map[string]string `yaml:"headers"` // of a webhook
	On          []Event           `yaml:"on"`      // none: problem
	Template    string            `yaml:"template"`

	name string
	line int
}

// Event is when people are told.
type Event string

// The events.
const (
	OnProblem Event = "problem" // anything but ok
	OnSuccess Event = "success"
)

// Ping is a dead-man switch: URL/start when a run begins, URL when all was well, URL/fail when not.
type Ping struct {
	URL     string `yaml:"url"`
	URLFile string `yaml:"url_file"`
}

func (n *Notification) check() string {
	given := 0
	for _, a := range []string{n.URL, n.URLFile, n.Webhook, n.WebhookFile} {
		if a != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return "needs one of url, url_file, webhook and webhook_file"
	case len(n.Headers) > 0 && n.isShoutrrr():
		return "headers are for a webhook"
	case n.URL != "" && !strings.Contains(n.URL, "://"):
		return "url is no address for shoutrrr, such as ntfy://ntfy.sh/topic"
	case n.Webhook != "" && !isHTTP(n.Webhook):
		return "webhook is no http or https address"
	}
	for _, e := range n.On {
		if e != OnProblem && e != OnSuccess {
			return fmt.Sprintf("on: %q is neither problem nor success", e)
		}
	}
	if _, err := n.parse(); err != nil {
		return "template: " + err.Error()
	}
	return ""
}

func (n *Notification) isShoutrrr() bool { return n.URL != "" || n.URLFile != "" }

// wants tells whether the notification is about runs that ended like this one.
func (n *Notification) wants(r *Record) bool {
	if r.Good() {
		return slices.Contains(n.On, OnSuccess)
	}
	return len(n.On) == 0 || slices.Contains(n.On, OnProblem)
}

func (n *Notification) parse() (*template.Template, error) {
	t, err := template.New("notification").Option("missingkey=error").Parse(n.Template)
	if err != nil {
		return nil, err
	}
	// A field that does not exist is found only by trying.
	return t, t.Execute(io.Discard, &Record{})
}

// message is what is said of a run; "" when there is no template.
func (n *Notification) message(r *Record) (string, error) {
	if n.Template == "" {
		return "", nil
	}
	t, err := n.parse()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, r)
	return b.String(), err
}

func (p *Ping) check() string {
	switch {
	case (p.URL == "") == (p.URLFile == ""):
		return "needs one of url and url_file"
	case p.URL != "" && !isHTTP(p.URL):
		return "url is no http or https address"
	}
	return ""
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// maxAddress bounds what is read of a file that holds an address.
const maxAddress = 4096

// address is the one that is given, or the first line of the file.
func address(given, file string) (string, error) {
	if file == "" {
		return given, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAddress))
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if line == "" {
		return "", fmt.Errorf("read address: %s is empty", filepath.Clean(file))
	}
	return strings.TrimSpace(line), nil
}

// hidden takes an address, and every part of it that may be a secret, out of an error.
func hidden(err error, secret string) error {
	if err == nil {
		return nil
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	text := err.Error()
	parts := []string{secret}
	if u, perr := url.Parse(secret); perr == nil {
		parts = append(parts, u.String(), u.Redacted(), u.RequestURI(), u.EscapedPath(), strings.Trim(u.Path, "/"), u.RawQuery)
		if p, ok := u.User.Password(); ok {
			parts = append(parts, p)
		}
		if u.User != nil {
			parts = append(parts, u.User.String(), u.User.Username())
		}
		for _, values := range u.Query() {
			parts = append(parts, values...)
		}
		parts = append(parts, strings.Split(u.Path, "/")...)
	}
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	for _, p := range parts {
		if len(p) >= 4 {
			text = strings.ReplaceAll(text, p, "…")
		}
	}
	return errors.New(text)
}
