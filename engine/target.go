package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/docker/cli/cli/config"
	dcontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"
	"github.com/docker/docker/client"
)

// Target says which engine is meant, as docker's flags do. What is empty falls back as
// docker does: DOCKER_HOST, DOCKER_CONTEXT, the current context of docker's config, the
// default socket.
type Target struct {
	Host      string // --host
	Context   string // --context
	ConfigDir string // --config; "": DOCKER_CONFIG or ~/.docker
}

const defaultContext = "default"

// resolve finds the endpoint, with the headers that docker's config adds to requests.
func (t Target) resolve() (docker.Endpoint, map[string]string, error) {
	dir := t.ConfigDir
	if dir == "" {
		dir = config.Dir()
	}
	if t.Host != "" && t.Context != "" {
		return docker.Endpoint{}, nil, errors.New("choose an engine: --host and --context exclude each other")
	}
	conf, err := config.Load(dir)
	if err != nil {
		return docker.Endpoint{}, nil, fmt.Errorf("read docker's config: %w", err)
	}
	var ep docker.Endpoint
	if name := t.contextName(conf.CurrentContext); name != defaultContext {
		ep, err = contextEndpoint(filepath.Join(dir, "contexts"), name)
	} else {
		ep, err = hostEndpoint(t.Host, dir)
	}
	return ep, conf.HTTPHeaders, err
}

// contextName is docker's order: a context on the command line, a host from anywhere,
// a context from the environment, and then the config's.
func (t Target) contextName(current string) string {
	switch {
	case t.Context != "":
		return t.Context
	case t.Host != "" || os.Getenv(client.EnvOverrideHost) != "":
		return defaultContext
	case os.Getenv("DOCKER_CONTEXT") != "":
		return os.Getenv("DOCKER_CONTEXT")
	case current != "":
		return current
	}
	return defaultContext
}

func contextEndpoint(dir, name string) (docker.Endpoint, error) {
	contexts := store.New(dir, store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return docker.Endpoint{}, fmt.Errorf("use docker context %q: %w", name, err)
	}
	ep, err := docker.EndpointFromContext(meta)
	if err != nil {
		return docker.Endpoint{}, fmt.Errorf("use docker context %q: %w", name, err)
	}
	withTLS, err := docker.WithTLSData(contexts, name, ep)
	if err != nil {
		return docker.Endpoint{}, fmt.Errorf("read keys of docker context %q: %w", name, err)
	}
	return withTLS, nil
}

func hostEndpoint(host, configDir string) (docker.Endpoint, error) {
	verify := os.Getenv(client.EnvTLSVerify) != ""
	useTLS := verify || os.Getenv("DOCKER_TLS") != ""
	if host == "" {
		host = os.Getenv(client.EnvOverrideHost)
	}
	parsed, err := opts.ParseHost(useTLS, host)
	if err != nil {
		return docker.Endpoint{}, fmt.Errorf("choose an engine: %w", err)
	}
	ep := docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: parsed}}
	if !useTLS {
		return ep, nil
	}
	ep.SkipTLSVerify = !verify
	ep.TLSData, err = tlsFiles(configDir)
	return ep, err
}

// tlsFiles reads docker's key files; the client's own certificate and key may be missing.
func tlsFiles(configDir string) (*dcontext.TLSData, error) {
	dir := os.Getenv(client.EnvOverrideCertPath)
	if dir == "" {
		dir = configDir
	}
	present := func(name string) string {
		file := filepath.Join(dir, name)
		if _, err := os.Stat(file); os.IsNotExist(err) {
			return ""
		}
		return file
	}
	data, err := dcontext.TLSDataFromFiles(filepath.Join(dir, "ca.pem"), present("cert.pem"), present("key.pem"))
	if err != nil {
		return nil, fmt.Errorf("read TLS keys: %w", err)
	}
	return data, nil
}
