// Package systemd is davit's way to systemd: units, over D-Bus. No other package talks to
// systemd.
//
// # Words
//
//   - manager: the systemd that runs as PID 1 of this host.
//   - transient unit: a unit made by a request, without a file; it is gone when it ends.
//
// # Guarantees
//
// A [Conn] may be used from several goroutines; its calls end when their context does.
// Root speaks to the manager directly and needs no message bus; others go over the system
// bus, where polkit decides.
package systemd
