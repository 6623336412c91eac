package service

import "davit/engine/systemd"

// Arguments are dockerd's arguments, its own name first: as the process has them, and as its unit would start it now.
// Either is nil when it cannot be told: without a process, or when that is not dockerd.
func Arguments(u systemd.Unit) (running, planned []string) { return ofProcess(u), ofUnit(u) }
