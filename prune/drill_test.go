package prune

import (
	"slices"
	"testing"

	"davit/engine"
)

// What a restore drill works with is kept, by its label or by its tag, while it is not yet in use by a container.
func TestDrillsAreKept(t *testing.T) {
	r := &reading{facts: &Facts{}}
	r.add(Object{Ref: Ref{Volume, "v"}, Labels: map[string]string{engine.LabelDrill: "x"}})
	r.add(Object{Ref: Ref{Image, "i"}, Tags: []string{engine.DrillTags + "x:1"}})
	r.add(Object{Ref: Ref{Volume, "w"}})
	for i, kept := range []bool{true, true, false} {
		if got := slices.Contains(r.facts.Objects[i].Pins, "a restore drill"); got != kept {
			t.Errorf("%v: %v", r.facts.Objects[i].Ref, got)
		}
	}
}
