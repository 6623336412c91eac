package enginetest

import (
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Forward leads a port here to an address in a network namespace until the test ends, and returns it.
func Forward(t testing.TB, netns, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := dialIn(netns, address)
				if err != nil {
					return // whoever connected sees its connection end
				}
				defer out.Close()
				go func() {
					io.Copy(out, in)
					out.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(in, out)
			}()
		}
	}()
	return l.Addr().String()
}

// dialIn connects in a network namespace: a socket stays in the one it was made in.
func dialIn(netns, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine, since it is not unlocked
		ns, err := os.Open("/run/netns/" + netns)
		if err != nil {
			made <- result{err: err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			made <- result{err: err}
			return
		}
		c, err := net.Dial("tcp", address)
		made <- result{c, err}
	}()
	r := <-made
	return r.conn, r.err
}
