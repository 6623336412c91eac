//go:build integration

package repo

import "testing"

// TestInterleavedGC on a server, where locks are tickets and steps wait for it at once.
func TestInterleavedGCOnServer(t *testing.T) { playAll(t, serverPlace(t)) }
