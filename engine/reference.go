package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/context/docker"
)

// reference is how an engine with certificates is reached once more.
type reference struct {
	Endpoint  string `json:"endpoint"`
	Context   string `json:"context,omitempty"` // it has the certificates; else Certs
	Certs     string `json:"certs,omitempty"`   // folder with docker's ca.pem, cert.pem and key.pem
	NoVerify  bool   `json:"no_verify,omitempty"`
	ConfigDir string `json:"config,omitempty"`
}

// Reference is what [Reconnect] reaches the same engine by, from another process and whatever its environment is: the endpoint,
// and where the certificates are when it wants some. It holds no secrets.
func (e *Engine) Reference() string {
	if e.reference.Context == "" && e.reference.Certs == "" {
		return e.endpoint
	}
	r := e.reference
	r.Endpoint = e.endpoint
	text, err := json.Marshal(r)
	if err != nil {
		return e.endpoint // does not happen: there are only texts
	}
	return string(text)
}

// Reconnect is Connect by a reference. A docker context that leads elsewhere by now is an error.
func Reconnect(ctx context.Context, text string) (*Engine, error) {
	if !strings.HasPrefix(text, "{") {
		return Connect(ctx, Target{Host: text})
	}
	var r reference
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("read reference of an engine: %w", err)
	}
	found, err := r.resolve()
	if err != nil {
		return nil, err
	}
	if found.endpoint.Host != r.Endpoint {
		return nil, fmt.Errorf("use engine %s: docker context %q leads to %s now", r.Endpoint, r.Context, found.endpoint.Host)
	}
	return found.connect(ctx)
}

func (r reference) resolve() (found resolved, err error) {
	conf, err := config.Load(r.ConfigDir)
	if err != nil {
		return found, fmt.Errorf("read docker's config: %w", err)
	}
	found.headers, found.reference = conf.HTTPHeaders, r
	if r.Context != "" {
		found.endpoint, err = contextEndpoint(filepath.Join(r.ConfigDir, "contexts"), r.Context)
		return found, err
	}
	found.endpoint = docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: r.Endpoint, SkipTLSVerify: r.NoVerify}}
	found.endpoint.TLSData, err = tlsFiles(r.Certs)
	return found, err
}

// certificates completes the reference of an endpoint that has some.
func (f *resolved) certificates(contextName, configDir string) error {
	if f.endpoint.TLSData == nil && !f.endpoint.SkipTLSVerify {
		return nil
	}
	r := &f.reference
	var err error
	if r.ConfigDir, err = filepath.Abs(configDir); err != nil {
		return fmt.Errorf("find docker's config: %w", err)
	}
	if contextName != defaultContext {
		r.Context = contextName
		return nil
	}
	r.NoVerify = f.endpoint.SkipTLSVerify
	if r.Certs, err = filepath.Abs(certFolder(configDir)); err != nil {
		return fmt.Errorf("find TLS keys: %w", err)
	}
	return nil
}
