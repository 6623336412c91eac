// Package e2e has no code of its own: its tests prove with the real program, on real engines and file systems, what
// davit promises for bad days. The program is killed, disks are full, containers work against it; afterwards the
// containers run, the repository verifies and old snapshots restore.
//
// Tests with the build tag integration need hosts with systemd (scripts/testhost) or several engines.
package e2e
