//go:build !linux

package engine

import (
	"fmt"
	"runtime"
)

// proveHere fails: where engines run in virtual machines, none is here.
func proveHere(Info, []string, string) error {
	return fmt.Errorf("engines need Linux, and this is %s", runtime.GOOS)
}

// containerdRoot: no containerd is here either.
func containerdRoot(string) string { return "" }

// killInContainer: no process of a container is here.
func killInContainer(int, string) {}

// permissionHint knows no groups.
func permissionHint(string) string { return "may this user use it?" }
