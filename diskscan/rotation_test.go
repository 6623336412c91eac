package diskscan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
)

// A log in the middle of its rotation, which no writer has open for a moment or whose name is already another file's, is
// never offered for truncation: the writer that comes next does not append.
func TestLogInRotationIsRefused(t *testing.T) {
	root, id := t.TempDir(), strings.Repeat("ab", 32)
	folder := filepath.Join(root, "containers", id)
	must(t, os.MkdirAll(folder, 0o755))
	for name, content := range map[string]string{
		"config.v2.json":  `{"ID":"` + id + `","Name":"/rotated","Image":"sha256:` + id + `","State":{"Running":true,"StartedAt":"2026-01-01T00:00:00Z"}}`,
		"hostconfig.json": `{"LogConfig":{"Type":"json-file","Config":{"max-size":"20k","max-file":"2"}}}`,
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	// As moby rotates: close, rename, open anew without O_APPEND.
	engine := exec.Command("sh", "-c", `exec 3>"$1"; while :; do echo line >&3; exec 3>&-; mv "$1" "$1.1"; exec 3>"$1"; done`, "sh", filepath.Join(folder, id+"-json.log"))
	must(t, engine.Start())
	t.Cleanup(func() { engine.Process.Kill(); engine.Wait() })
	looked := 0
	for end := time.Now().Add(2 * time.Second); looked < 20 || time.Now().Before(end); looked++ {
		logs, _ := diskscan.Logs(root, nil)
		if len(logs) != 1 || logs[0].Refused == "" {
			t.Fatalf("look %d: %+v", looked, logs)
		}
	}
	t.Logf("looked %d times", looked)
}
