// Package service is the engine as a service of this host: whether it runs, and starting and
// stopping it.
//
// # Words
//
//   - service: the unit that runs dockerd: docker.service, with most installations; docker, where an init script does.
//   - socket: a unit that listens for the engine and starts the service at the first call:
//     docker.socket. Armed: it listens.
//   - enabled: started at boot.
//   - flags, file: where dockerd's settings come from; see [davit/engine/daemonjson].
//
// # Guarantees
//
//   - A stop disarms the sockets first. A service that was stopped while its socket is armed
//     starts again at the next call of anybody.
//   - Looking at the state never starts the engine: a socket is only called when the service
//     runs.
//   - A start that does not succeed names what the engine said about it.
//   - What is asked for and is so already is no error.
package service
