package main

import (
	"os"
	"strings"
	"testing"

	"davit/backup/repo"
)

// TestReadme shows that every davit line of the README names a command and flags that exist, and that the lines for
// a restore without davit are those that package repo tests.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(data)) {
		line, isExample := strings.CutPrefix(line, "    ")
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		words := strings.Fields(strings.TrimPrefix(line, "$ "))
		if !isExample || len(words) < 2 || words[0] != "davit" {
			continue
		}
		lines++
		if _, err := read(thisHost().app(), words[1:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if lines < 20 {
		t.Errorf("found only %d davit lines", lines)
	}
	for line := range strings.Lines(repo.RestoreLines) {
		if !strings.Contains(string(data), strings.TrimSpace(line)) {
			t.Errorf("README lacks the line %s", line)
		}
	}
}
