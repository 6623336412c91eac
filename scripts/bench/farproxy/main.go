package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	roundTrip := flag.Duration("round-trip", 20*time.Millisecond, "time there and back")
	flag.Parse()
	if flag.NArg() != 2 || *roundTrip < 0 {
		fmt.Fprintln(os.Stderr, "usage: farproxy [-round-trip 20ms] LISTEN SERVER")
		os.Exit(2)
	}
	l, err := net.Listen("tcp", flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "farproxy:", err)
		os.Exit(1)
	}
	p := &proxy{server: flag.Arg(1), delay: *roundTrip / 2}
	go p.serve(l)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	fmt.Printf("%d connections, %d bytes there, %d bytes back\n", p.connections.Load(), p.there.Load(), p.back.Load())
}
