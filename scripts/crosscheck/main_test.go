package main

import (
	"os"
	"strings"
	"testing"
)

// A name that only one system has is found where another one misses it, and only there.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":        "module m\n\ngo 1.25\n",
		"main.go":       "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(code()) }\n",
		"code_linux.go": "package main\n\nfunc code() int { return 3 }\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(".", "linux", "amd64"); err != nil {
		t.Errorf("linux: %v", err)
	}
	if err := check(".", "windows", "amd64"); err == nil || !strings.Contains(err.Error(), "undefined: code") {
		t.Errorf("windows: %v", err)
	}
}
