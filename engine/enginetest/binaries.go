package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// provide returns the folder with an engine's binaries and the engine's full version.
func provide(version string) (dir, full string, err error) {
	if version == "" {
		version = "any"
	}
	root, err := moduleRoot()
	if err != nil {
		return "", "", err
	}
	cmd := exec.Command(filepath.Join(root, "scripts", "engines.sh"), version)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("scripts/engines.sh %s: %w\n%s", version, err, said.String())
	}
	dir = strings.TrimSpace(string(out))
	full, err = dockerdVersion(dir)
	return dir, full, err
}

// moduleRoot finds the project's folder: tests run somewhere below it.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find scripts/engines.sh: the test does not run inside the project")
		}
		dir = parent
	}
}

// dockerdVersion reads "20.10.24" out of "Docker version 20.10.24+dfsg1, build 5d6db84".
func dockerdVersion(dir string) (string, error) {
	out, err := exec.Command(filepath.Join(dir, "dockerd"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask dockerd for its version: %w", err)
	}
	words := strings.FieldsFunc(string(out), func(r rune) bool { return r == ' ' || r == '+' || r == ',' || r == '-' })
	if len(words) < 3 {
		return "", fmt.Errorf("no version in %q", out)
	}
	return words[2], nil
}
