//go:build integration

package repo

import (
	"fmt"
	"testing"

	"davit/backup/repo/storage"
	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// TestInterleavedGC on a server, where locks are tickets and steps wait for it at once.
func TestInterleavedGCOnServer(t *testing.T) { playAll(t, serverPlace(t)) }

// Some of the same games, chosen at random, on a real S3 server and a real SFTP server.
func TestInterleavedGCOnRealServers(t *testing.T) {
	for name, start := range map[string]func() storagetest.Server{
		"s3":   func() storagetest.Server { return storagetest.S3(t) },
		"sftp": func() storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) {
			place := realPlace(start())
			random := enginetest.Random(t)
			const steps = 16 // neither side has as many
			for range enginetest.Rounds(t, 30) {
				sc := scenarios()[random.IntN(len(scenarios()))]
				if random.IntN(4) == 0 {
					cutGame(t, place, sc, random.IntN(steps), random.IntN(steps))
				} else {
					playGame(t, place, sc, random.IntN(steps), random.IntN(steps), random.IntN(steps))
				}
			}
		})
	}
}

// TestWrongClock on real servers.
func TestWrongClockOnRealServers(t *testing.T) {
	for name, start := range map[string]func() storagetest.Server{
		"s3":   func() storagetest.Server { return storagetest.S3(t) },
		"sftp": func() storagetest.Server { return storagetest.SFTP(t) },
	} {
		t.Run(name, func(t *testing.T) { wrongClocks(t, realPlace(start())) })
	}
}

// realPlace is a server, on which each game has a folder of its own.
func realPlace(server storagetest.Server) gamePlace {
	game, at := 0, server
	connect := func(t *testing.T) storage.Storage { return at.Connect(t) } //nolint:thelper // what it returns is the point
	return gamePlace{again: connect, fresh: func(t *testing.T) storage.Storage {
		t.Helper()
		game++
		at.URL = fmt.Sprintf("%s%d", server.URL, game)
		return connect(t)
	}}
}

// TestBackupsWhileGCSweeps on a real S3 server: two hosts with caches of their own, and one bucket.
func TestBackupsWhileGCSweepsOnS3(t *testing.T) {
	for name, encrypted := range map[string]bool{"clear": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			stress(t, newStressPlace(t, storagetest.S3(t), encrypted), enginetest.Rounds(t, 8))
		})
	}
}
