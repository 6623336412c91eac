//go:build integration

package diskscan_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// ncdu itself reads an export, names of any bytes included, and finds the sum of du.
func TestExportReadByNCDU(t *testing.T) {
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "quote\"back\\slash\x1b[31m\n\xff"), []byte("x"), 0o600))
	file := filepath.Join(t.TempDir(), "export")
	out, err := os.Create(file)
	must(t, err)
	must(t, diskscan.ExportNCDU(t.Context(), out, dir, time.Now()))
	must(t, out.Close())
	again, err := exec.Command("ncdu", "-f", file, "-o", "-").CombinedOutput()
	if err != nil || strings.Count(string(again), `"name":"`) != strings.Count(readFile(t, file), `"name":"`) {
		t.Errorf("ncdu: %v: %s", err, again)
	}
}

// A real browser shows the page from a file: the treemap and tables are there, no name has run as a script. With
// DAVIT_SCREENSHOT, a picture is left there.
func TestHTMLInBrowser(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	out, err := os.Create(file)
	must(t, err)
	must(t, diskscan.WriteHTML(out, hostileReport(t), typed))
	must(t, out.Close())
	picture := os.Getenv("DAVIT_SCREENSHOT")
	if picture == "" {
		picture = filepath.Join(dir, "page.png")
	}
	browse(t, dir, file, "--screenshot="+picture)
	if info, err := os.Stat(picture); err != nil || info.Size() < 10_000 {
		t.Errorf("no picture: %v", err)
	}
	html := browse(t, dir, file, "--dump-dom")
	if strings.Contains(html, "<title>owned") || strings.Contains(html, "<img") || strings.Contains(html, "\x1b") {
		t.Error("a name has become markup")
	}
	for _, want := range []string{`class="box more"`, "<h2>Owners</h2>", "<h2>Largest files</h2>",
		`evil\u001b[31m&lt;script&gt;alert(1)&lt;/script&gt;`, "half-deleted layers"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
}

// browse runs Debian's chromium on a file and returns what it prints.
func browse(t *testing.T, dir, file, what string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1200,1400",
		"--virtual-time-budget=3000", what, "file://"+file)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium %s: %v: %s", what, err, said.String())
	}
	return string(out)
}
