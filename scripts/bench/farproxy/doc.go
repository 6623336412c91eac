// Farproxy makes a server look far away: it passes connections on, and every byte arrives
// later, by half of the round trip each way.
//
//	farproxy -round-trip 20ms 127.0.0.1:9001 127.0.0.1:9000
//
// It listens at the first address and connects to the second. It delays and does not
// slow down: bytes that were sent in one moment arrive in one moment, however many they are, up
// to 64 MiB that are on their way on one connection. A new connection costs a round trip, as TCP's does. On SIGTERM
// it tells how many connections and bytes there were.
package main
