// Package enginetest gives tests a Docker Engine of their own: a private dockerd, a fake
// API on a socket, and trees to save and compare.
//
// [StartDockerd] starts a real engine that shares nothing with one that may run on the
// machine: its own data-root, exec-root, pidfile, socket, network namespace and cgroup
// parent. It is ended with the test, containers and mounts included; what a killed test
// leaves behind is removed by the next one that starts an engine.
//
// A test that needs an engine fails, as root, when there is none to be had: a green run
// in which such tests were left out proves nothing. Without root they are skipped.
package enginetest
