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

// resolved is how an engine is reached.
type resolved struct {
	endpoint  docker.Endpoint
	headers   map[string]string // that docker's config adds to requests
	reference reference
}

// resolve finds out how the engine is reached.
func (t Target) resolve() (found resolved, err error) {
	dir := t.ConfigDir
	if dir == "" {
		dir = config.Dir()
	}
	if t.Host != "" && t.Context != "" {
		return found, errors.New("choose an engine: --host and --context exclude each other")
	}
	conf, err := config.Load(dir)
	if err != nil {
		return found, fmt.Errorf("read docker's config: %w", err)
	}
	found.headers = conf.HTTPHeaders
	name := t.contextName(conf.CurrentContext)
	if name != defaultContext {
		found.endpoint, err = contextEndpoint(filepath.Join(dir, "contexts"), name)
	} else {
		found.endpoint, err = hostEndpoint(t.Host, dir)
	}
	return found, errors.Join(err, found.certificates(name, dir))
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
	ep.TLSData, err = tlsFiles(certFolder(configDir))
	return ep, err
}

// certFolder is where docker looks for the keys of an engine that no context describes.
func certFolder(configDir string) string {
	if dir := os.Getenv(client.EnvOverrideCertPath); dir != "" {
		return dir
	}
	return configDir
}

// tlsFiles reads docker's key files; the client's own certificate and key may be missing.
func tlsFiles(dir string) (*dcontext.TLSData, error) {
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
