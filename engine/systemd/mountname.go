package systemd

import "github.com/coreos/go-systemd/v22/unit"

// MountName is the name of the unit that mounts something on a folder: "mnt-big.mount".
func MountName(path string) string { return unit.UnitNamePathEscape(path) + ".mount" }
