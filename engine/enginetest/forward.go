package enginetest

import (
	"io"
	"net"
	"testing"
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
				out, err := InNetns(netns, func() (net.Conn, error) { return net.Dial("tcp", address) })
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
