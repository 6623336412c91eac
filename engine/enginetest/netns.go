package enginetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// addNetns makes a network namespace with nothing but its loopback.
func addNetns(name string) error {
	if err := run("ip", "netns", "add", name); err != nil {
		return err
	}
	return run("ip", "-n", name, "link", "set", "lo", "up")
}

func netnsPath(name string) string { return filepath.Join("/run/netns", name) }

func removeNetns(name string) error {
	if _, err := os.Stat(netnsPath(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return run("ip", "netns", "del", name)
}
