package engine

import "github.com/docker/docker/client"

// Engine is a connection to one Docker Engine. It is made by [Connect] and ended by
// Close. Its methods may be used from several goroutines.
type Engine struct {
	api      *client.Client
	endpoint string
}
