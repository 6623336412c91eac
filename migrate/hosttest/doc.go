// Package hosttest has the tests that move the data of real engines, on hosts with systemd as their first process (see
// scripts/testhost). They need root and the build tag integration:
//
//	go test -tags integration ./migrate/hosttest
//
// What is on such a host is made by testdata/populate.sh: images with whiteouts, opaque folders, hard links and
// capabilities, containers of each restart policy, a published port, and a container that writes numbered lines all
// the time, so that a line that is lost is missed. Other tests look at the engine afterwards with docker's own client,
// never with davit alone.
package hosttest
