package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pieceSize = 64 << 10
	pieces    = 1024 // on their way on one connection, each way
)

// proxy passes on what it accepts.
type proxy struct {
	server      string
	delay       time.Duration // each way
	connections atomic.Int64
	there, back atomic.Int64 // bytes
}

// serve ends with the listener.
func (p *proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.connections.Add(1)
		go p.connect(client)
	}
}

// connect joins a client to a connection of its own. The handshake that the client has just had
// with this machine would have taken a round trip: what it sends first waits for that.
func (p *proxy) connect(client net.Conn) {
	opened := time.Now().Add(2 * p.delay)
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(server, client, opened, &p.there) })
	both.Go(func() { p.pass(client, server, opened, &p.back) })
	both.Wait()
	client.Close()
	server.Close()
}

// piece is bytes and when they arrive.
type piece struct {
	data []byte
	at   time.Time
}

// pass copies one direction, late. One that ends is ended on the other side.
func (p *proxy) pass(to, from net.Conn, opened time.Time, count *atomic.Int64) {
	way := make(chan piece, pieces)
	var arrived sync.WaitGroup
	arrived.Go(func() { deliver(to, way) })
	for {
		buf := make([]byte, pieceSize)
		n, err := from.Read(buf)
		if n > 0 {
			count.Add(int64(n))
			sent := time.Now()
			if sent.Before(opened) {
				sent = opened
			}
			way <- piece{data: buf[:n], at: sent.Add(p.delay)}
		}
		if err != nil {
			break
		}
	}
	close(way)
	arrived.Wait()
}

// deliver writes each piece at its time. After an error it takes the rest and drops it: the
// sender must not wait for ever.
func deliver(to net.Conn, way <-chan piece) {
	var failed error
	for next := range way {
		if failed != nil {
			continue
		}
		time.Sleep(time.Until(next.at))
		if _, failed = to.Write(next.data); failed != nil {
			to.Close()
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok && failed == nil {
		_ = tcp.CloseWrite() // it may be gone
	}
}
