package engine

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// permissionHint names the group that may use the socket.
func permissionHint(socket string) string {
	info, err := os.Stat(socket)
	if socket == "" || err != nil {
		return "run it as root"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o060 != 0o060 || st.Gid == 0 {
		return "run it as root"
	}
	gid := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(gid); err == nil {
		return fmt.Sprintf("join the group %s (usermod -aG %s USER, then log in again), or run it as root", g.Name, g.Name)
	}
	return fmt.Sprintf("join the group with id %s, or run it as root", gid)
}
