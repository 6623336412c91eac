package enginetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
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

// InNetns makes a socket, by do, in a network namespace: a socket stays in the one it was made in.
func InNetns[S any](netns string, do func() (S, error)) (socket S, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with this goroutine, since it is not unlocked
		var ns *os.File
		if ns, err = os.Open(netnsPath(netns)); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			socket, err = do()
		}
	}()
	<-done
	return socket, err
}
