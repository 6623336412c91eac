package prune

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBadPolicies: whatever cannot be meant is one error that names file and line.
func TestBadPolicies(t *testing.T) {
	const head = "version: 1\nrules:\n"
	for _, c := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"empty", "", 0, "empty"},
		{"no rules", "version: 1\n", 0, "no rules"},
		{"not YAML", "version: [1\n", 1, ""},
		{"unknown key", "version: 1\nprotekt: []\n", 2, "protekt"},
		{"unknown key in a rule", head + "  - name: a\n    select: {kind: image}\n    aktion: remove\n", 5, "aktion"},
		{"unknown key in a selector", head + "  - name: a\n    select: {kind: image, reff: x}\n    action: remove\n", 4, "reff"},
		{"twice", "version: 1\nversion: 1\n", 2, "version"},
		{"version", "version: 2\nrules: [{name: a, select: {kind: image}, action: remove}]\n", 0, "version"},
		{"size", "version: 1\ntarget:\n  free_above: 10XB\n", 3, "10XB"},
		{"share", "version: 1\ntarget: {free_above: 120%}\n", 2, "120%"},
		{"age", "version: 1\nmin_age: 5 parsecs\n", 2, "parsecs"},
		{"kind", head + "  - {name: a, select: {kind: pod}, action: remove}\n", 3, "pod"},
		{"action", head + "  - {name: a, select: {kind: image}, action: delete}\n", 3, "delete"},
		{"nothing named", head + "  - {name: a, select: {}, action: remove}\n", 3, "kind"},
		{"running", head + "  - {name: a, select: {kind: container, state: running}, action: remove}\n", 3, "running"},
		{"does not go together", head + "  - {name: a, select: {kind: volume, dangling: true}, action: remove}\n", 3, "dangling"},
		{"named volumes without archive", head + "  - {name: a, select: {kind: volume, named: true}, action: remove}\n", 3, "archive+remove"},
		{"pattern", head + "  - {name: a, select: {kind: image, ref: 'app['}, action: remove}\n", 3, "app["},
		{"same name", head + "  - {name: a, select: {kind: image}, action: remove}\n  - {name: a, select: {kind: image}, action: remove}\n", 4, "two rules"},
		{"two documents", head + "  - {name: a, select: {kind: image}, action: remove}\n---\nversion: 1\n", 0, "more than one"},
		{"protects nothing", "version: 1\nprotect: [{}]\nrules: [{name: a, select: {kind: image}, action: remove}]\n", 0, "selects nothing"},
		{"previous in a rule", head + "  - {name: a, select: {kind: image, previous: 1}, action: remove}\n", 3, "previous"},
		{"previous of volumes", "version: 1\nprotect: [{kind: volume, previous: 1}]\nrules: [{name: a, select: {kind: image}, action: remove}]\n", 0, "previous"},
		{"archive keep", "version: 1\narchive: {keep: soon}\nrules: [{name: a, select: {kind: image}, action: remove}]\n", 2, "soon"},
		{"large", strings.Repeat("#", maxPolicy+1), 0, "1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParsePolicy("file.yaml", []byte(c.text))
			var bad *PolicyError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v", err)
			}
			if bad.Line != c.line || !strings.Contains(bad.Reason, c.says) || strings.Contains(bad.Error(), "\n") {
				t.Errorf("line %d: %q", bad.Line, bad.Error())
			}
		})
	}
}

// TestPresets: every preset is a policy, and none reaches named volumes.
func TestPresets(t *testing.T) {
	for _, name := range Presets() {
		p, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rules {
			if r.Select.selects(&Object{Ref: Ref{Volume, "data"}, Name: "data", Arrived: time.Unix(0, 0)}, time.Now()) {
				t.Errorf("preset %s, rule %s reaches a named volume", name, r.Name)
			}
			if r.Select.Kind == Image && r.Action != ArchiveRemove {
				t.Errorf("preset %s, rule %s removes images without an archive", name, r.Name)
			}
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	for _, name := range Presets() {
		text, err := PresetText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy("x", text)
		var bad *PolicyError
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err == nil && len(p.Rules) == 0 {
			t.Fatal("an empty policy passes")
		}
	})
}

// TestPlanFile: a plan survives its file, and one that was changed by hand, cut or is of another version does not pass.
func TestPlanFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan")
	plan := &Plan{Format: PlanFormat, Policy: "p", Engine: EngineFacts{ID: "E"}, Made: time.Now().UTC(),
		Removed: []Verdict{{Object: Object{Ref: Ref{Image, "sha256:1"}, Name: "app:1", Tags: []string{"app:1"}}, Remove: true, Bytes: 10}}, Kept: []Verdict{}}
	if err := plan.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadPlan(file)
	if err != nil || back.Removed[0].ID != "sha256:1" || !back.Made.Equal(plan.Made) {
		t.Fatalf("read back %+v: %v", back, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"edited":  strings.ReplaceAll(string(data), "sha256:1", "sha256:2"),
		"cut":     string(data[:len(data)/2]),
		"version": strings.Replace(string(data), `"format": 1`, `"format": 2`, 1),
		"other":   `{"name":"x"}`,
		"no JSON": "hello",
	} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		var wrong *PlanError
		if _, err := ReadPlan(file); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
