package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"
	"davit/engine/systemd"
)

// mountUnit is a unit that mounts at boot what is mounted now; nil when that cannot be written down: for what is no
// device, or only a part of a file system.
func mountUnit(m hostfs.Mount) *MountUnit {
	if !strings.HasPrefix(m.Source, "/dev/") || m.Root != "/" || strings.ContainsAny(m.Point, "\n%\"") {
		return nil
	}
	name := systemd.MountName(m.Point)
	content := fmt.Sprintf(`# written by davit: the engine's data is on this file system
[Unit]
Description=Data of the container engine

[Mount]
What=%s
Where=%s
Type=%s
%s
[Install]
WantedBy=local-fs.target
`, stableDevice(m.Source, "/dev/disk/by-uuid"), m.Point, m.FSType, optionsLine(m.Options))
	return &MountUnit{Name: name, Path: "/etc/systemd/system/" + name, Content: content}
}

// stableDevice is the name of a device that stays the same when disks are found in another order.
func stableDevice(device, byUUID string) string {
	links, _ := os.ReadDir(byUUID)
	want, err := hostfs.StatPath(device)
	if err != nil {
		return device
	}
	for _, l := range links {
		path := filepath.Join(byUUID, l.Name())
		have, err := hostfs.StatPath(path)
		if err == nil && have.Rdev == want.Rdev && have.Mode&hostfs.TypeMask == hostfs.TypeBlock {
			return path
		}
	}
	return device
}

// optionsLine keeps the options that are of the mount and were chosen: the file systems' own defaults are not written down.
func optionsLine(options []string) string {
	var kept []string
	seen := map[string]bool{}
	for _, o := range options {
		switch o {
		case "noatime", "nodiratime", "nodev", "nosuid", "discard", "lazytime", "prjquota", "pquota":
			if !seen[o] {
				kept = append(kept, o)
			}
			seen[o] = true
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "Options=" + strings.Join(kept, ",") + "\n"
}
