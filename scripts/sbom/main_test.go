package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"testing"
)

// TestSBOM reads the test program itself: every module that the linker recorded stands in the document once, with its
// checksum, and a second call writes the same bytes.
func TestSBOM(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var one, two bytes.Buffer
	for _, w := range []*bytes.Buffer{&one, &two} {
		if err := write(w, program); err != nil {
			t.Fatal(err)
		}
	}
	if one.String() != two.String() {
		t.Error("two documents of one program differ")
	}
	var d document
	if err := json.Unmarshal(one.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Format != "CycloneDX" || d.Spec != "1.5" || d.Metadata.Component.Name != info.Main.Path {
		t.Errorf("document of %q: %+v", info.Main.Path, d)
	}
	if len(d.Components) != len(info.Deps)+1 || d.Components[0].Version != info.GoVersion {
		t.Errorf("%d components for %d modules and Go: %+v", len(d.Components), len(info.Deps), d.Components)
	}
}

// TestComponent shows how a module is written: its address as a package URL, its checksum as Go writes it.
func TestComponent(t *testing.T) {
	info := &buildinfo.BuildInfo{GoVersion: "go1.26"}
	info.Main.Path = "davit"
	info.Deps = append(info.Deps, &info.Main)
	info.Deps[0].Path, info.Deps[0].Version, info.Deps[0].Sum = "github.com/Some/Thing", "v1.2.3+incompatible", "h1:abc="
	got := documentOf(info).Components[1]
	if got.URL != "pkg:golang/github.com/some/thing@v1.2.3%2Bincompatible" || got.Properties[0] != (property{"go:sum", "h1:abc="}) {
		t.Errorf("component %+v", got)
	}
}

func TestNoProgram(t *testing.T) {
	if err := write(&bytes.Buffer{}, "main.go"); err == nil {
		t.Error("a source file has no modules")
	}
}
