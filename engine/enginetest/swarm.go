package enginetest

import "testing"

// InitSwarm makes an engine the only node of a swarm, on its loopback.
func InitSwarm(t testing.TB, d *Dockerd) {
	t.Helper()
	d.CLI(t, "swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
}
