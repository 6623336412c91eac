package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"davit/diskscan"

	"golang.org/x/sys/unix"
)

// The files that --min-size 20MiB shows are those of find -size +20M, in the order of du and sort; MB are smaller.
func TestMinSizeIsFinds(t *testing.T) {
	dir := t.TempDir()
	for _, tenths := range []int64{150, 195, 199, 201, 230, 215} { // of a MiB
		f, err := os.Create(filepath.Join(dir, strconv.FormatInt(tenths, 10)))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fallocate(int(f.Fd()), 0, 0, tenths<<20/10); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("sh", "-c", `find "$1" -type f -size +20M -exec du -k {} + | sort -rn | cut -f 2`, "sh", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Fields(string(out))
	if len(found) != 3 {
		t.Fatalf("find has %v", found)
	}
	for size, want := range map[string][]string{
		"20MiB": found,
		"20MB":  append(slices.Clone(found), dir+"/199", dir+"/195"),
	} {
		out, said, code := program(t, newerEnv(t.TempDir()), "diskscan", dir, "--by", "file", "--min-size", size, "--json")
		var report diskscan.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone {
			t.Fatalf("exit code %d, %v: %s", code, err, said)
		}
		var paths []string
		for _, f := range report.Files {
			paths = append(paths, f.Path)
		}
		if !slices.Equal(paths, want) {
			t.Errorf("--min-size %s shows %v, want %v", size, paths, want)
		}
	}
}
