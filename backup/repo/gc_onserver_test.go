//go:build integration

package repo

import (
	"testing"

	"davit/backup/repo/storage/storagetest"
	"davit/engine/enginetest"
)

// TestBackupsWhileGCSweeps on a real S3 server: two hosts with caches of their own, and one bucket.
func TestBackupsWhileGCSweepsOnS3(t *testing.T) {
	for name, encrypted := range map[string]bool{"clear": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			stress(t, newStressPlace(t, storagetest.S3(t), encrypted), enginetest.Rounds(t, 8))
		})
	}
}
