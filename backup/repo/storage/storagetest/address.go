package storagetest

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Address is one of 127.0.0.1 at which a server can listen, now and again, until the test ends, and that nobody else gets: a
// socket that does not listen is bound to it.
func Address(t testing.TB) *net.TCPAddr {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("reserve an address: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	// The server sets the same, and so may bind to the address beside this socket.
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		t.Fatalf("reserve an address: %v", err)
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.(*unix.SockaddrInet4).Port}
}
