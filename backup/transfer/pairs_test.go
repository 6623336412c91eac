//go:build integration

package transfer

import (
	"fmt"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/backup/repo/storage/storagetest"
)

// A snapshot goes from every kind of place to every other and restores there as it was: folders, S3, SFTP; those of
// registries TestRegistries tries.
func TestAllPairs(t *testing.T) {
	servers := map[string]func() storagetest.Server{
		"folder": func() storagetest.Server { return storagetest.Folder(t) },
		"s3":     func() storagetest.Server { return storagetest.S3(t) },
		"sftp":   func() storagetest.Server { return storagetest.SFTP(t) },
	}
	src := t.TempDir()
	for i := range 5 {
		write(t, fmt.Sprintf("%s/dir%d/file", src, i), fmt.Sprintf("content %d", i))
	}
	want := describe(t, src)
	for from, startFrom := range servers {
		for to, startTo := range servers {
			t.Run(from+" to "+to, func(t *testing.T) {
				source, target := initAt(t, startFrom()), initAt(t, startTo())
				env := farEnv(t, source)
				plan, err := backup.PlanCreate(t.Context(), env, backup.CreateOptions{Selection: backup.Selection{Paths: []string{src}}})
				if err == nil {
					_, err = backup.ApplyCreate(t.Context(), env, plan)
				}
				if err != nil {
					t.Fatal(err)
				}
				copied, err := NewPlan(t.Context(), Options{From: source, To: target, Self: "nas"})
				if err != nil {
					t.Fatal(err)
				}
				if report, err := Apply(t.Context(), Env{Now: time.Now}, copied); err != nil || len(report.Copied) != 1 {
					t.Fatalf("copy: %+v, %v", report, err)
				}
				got, err := restoredBy(t, farEnv(t, target), "latest")
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range want.Diff(got) {
					t.Error(line)
				}
			})
		}
	}
}

func initAt(t *testing.T, at storagetest.Server) *repo.Repository {
	t.Helper()
	r, err := repo.InitIn(t.Context(), at.Connect(t), repo.Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
