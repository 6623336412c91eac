package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// echo sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// What is sent arrives as it was and late, and however much it is, no later than that.
func TestFar(t *testing.T) {
	const delay = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &proxy{server: echo(t), delay: delay}
	go p.serve(l)
	began := time.Now()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	took := time.Since(began)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(sent), err)
	}
	// 64 pieces one after another would take 12 s.
	if took < 4*delay || took > 110*delay {
		t.Errorf("it took %v for a handshake and a round trip of %v each", took, 2*delay)
	}
	if p.connections.Load() != 1 || p.there.Load() != int64(len(sent)) || p.back.Load() != int64(len(sent)) {
		t.Errorf("counted %d connections, %d and %d bytes", p.connections.Load(), p.there.Load(), p.back.Load())
	}
}
