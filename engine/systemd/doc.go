// Package systemd is davit's way to systemd: units, over D-Bus, and what the journal says of
// them. No other package talks to systemd.
//
// # Words
//
//   - manager: the systemd that runs as PID 1 of this host, or the one that runs the
//     services of one user.
//   - job: a unit's start, stop, restart or reload that the manager has accepted.
//   - unit file state: whether a unit starts at boot: enabled, disabled, static, masked.
//   - mask: to make a unit impossible to start; a runtime mask is gone at the next boot.
//   - drop-in: a file in UNIT.d that adds to a unit file or overrides it.
//   - transient unit: a unit made by a request, without a file; it is gone when it ends.
//
// # Guarantees
//
// A [Conn] may be used from several goroutines; its calls end when their context does. A
// job that is no longer waited for goes on.
// Root speaks to the manager directly and needs no message bus; others go over the system
// bus, where polkit decides. A user's manager takes orders from that user only.
package systemd
