package prune

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// TestGolden compares plans of testdata's policies for testdata's host with the plans that are kept there: every
// object, its verdict and its reason.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/host.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		options    Options
	}{
		{name: "safe"}, {name: "ci"}, {name: "pressure"},
		{name: "safe-archive", file: "safe", options: Options{Archive: "/archive"}},
		{name: "ci-pullable", file: "ci", options: Options{Pullable: []string{"registry.local/*"}}},
		{name: "pressure-archive", file: "pressure", options: Options{Archive: "/archive", Target: &Amount{Percent: 12}}},
		{name: "own", file: "testdata/own.yaml", options: Options{Archive: "/archive"}},
		{name: "previous", file: "testdata/previous.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f Facts
			if err := json.Unmarshal(data, &f); err != nil {
				t.Fatal(err)
			}
			p := testPolicy(t, c.name, c.file)
			var b strings.Builder
			plan := Decide(&f, p, c.options)
			for _, v := range plan.Removed {
				fmt.Fprintf(&b, "remove %-9s %-22s %9d  %s%s\n", v.Kind, v.Name, v.Bytes, v.Reason, map[bool]string{true: "; archived first"}[v.Archive])
			}
			for _, v := range plan.Kept {
				fmt.Fprintf(&b, "keep   %-9s %-22s %9s  %s\n", v.Kind, v.Name, "", v.Reason)
			}
			golden := filepath.Join("testdata", c.name+".plan")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("the plan is\n%s\nand should be\n%s", b.String(), want)
			}
		})
	}
}

func testPolicy(t *testing.T, name, file string) *Policy {
	t.Helper()
	if file == "" {
		file = name
	}
	if !strings.HasSuffix(file, ".yaml") {
		p, err := Preset(file)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePolicy(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProperties decides on random hosts by random policies: what is protected, in use or needed never goes, every
// object has one verdict with a reason, the bytes add up to what the set frees, and children go before their parents.
func TestProperties(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 6))
		f, p, o := randomFacts(r), randomPolicy(r), Options{}
		if r.IntN(2) == 0 {
			o.Archive = "/archive"
		}
		if r.IntN(3) == 0 {
			o.Target = &Amount{Bytes: f.Space.Free + uint64(r.IntN(3000))}
		}
		plan := Decide(f, p, o)
		if reason := wrongPlan(f, p, o, plan); reason != "" {
			t.Fatalf("seed %d: %s", seed, reason)
		}
		if none := Decide(f, &Policy{Version: 1}, o); len(none.Removed) > 0 {
			t.Fatalf("seed %d: an empty policy removes %d objects", seed, len(none.Removed))
		}
		again, err := json.Marshal(Decide(f, p, o))
		first, err2 := json.Marshal(plan)
		if err != nil || err2 != nil || !bytes.Equal(first, again) {
			t.Fatalf("seed %d: the same facts give another plan", seed)
		}
	}
}

// wrongPlan checks a plan by rules that are written down here a second time, in another way.
func wrongPlan(f *Facts, p *Policy, o Options, plan *Plan) string {
	if len(plan.Removed)+len(plan.Kept) != len(f.Objects) {
		return fmt.Sprintf("%d objects, %d verdicts", len(f.Objects), len(plan.Removed)+len(plan.Kept))
	}
	place := map[Ref]int{}
	for i, v := range plan.Removed {
		place[v.Ref] = i
	}
	var sum int64
	for i, v := range plan.Removed {
		switch {
		case v.Reason == "":
			return v.title() + " goes without a reason"
		case len(v.Pins) > 0:
			return v.title() + " is pinned and goes"
		case v.Labels[KeepLabel] != "":
			return v.title() + " has the label and goes"
		case slices.ContainsFunc(v.Tags, func(tag string) bool { return strings.HasPrefix(tag, "prot/") }):
			return v.title() + " is protected and goes"
		case v.Kind == Volume && !v.Anonymous && !v.Archive:
			return v.title() + " is a named volume and goes without an archive"
		case v.Archive && o.Archive == "":
			return v.title() + " is to be archived, and there is no archive"
		}
		for _, u := range f.Objects {
			for _, n := range u.Needs {
				if at, goes := place[u.Ref]; n == v.Ref && (!goes || at > i) {
					return fmt.Sprintf("%s goes before %s, which needs it", v.title(), u.title())
				}
			}
		}
		sum += v.Bytes
	}
	for _, v := range plan.Kept {
		if v.Reason == "" {
			return v.title() + " stays without a reason"
		}
	}
	if held := heldBytes(f, nil) - heldBytes(f, place); held != sum || sum != plan.Bytes {
		return fmt.Sprintf("the set frees %d, the column says %d, the plan %d", held, sum, plan.Bytes)
	}
	return ""
}

// heldBytes adds up the units that objects hold, without some objects.
func heldBytes(f *Facts, without map[Ref]int) int64 {
	units := map[string]bool{}
	for _, o := range f.Objects {
		if _, gone := without[o.Ref]; !gone {
			for _, u := range o.Units {
				units[u] = true
			}
		}
	}
	for u := range f.Foreign {
		units[u] = true
	}
	var sum int64
	for u := range units {
		sum += f.Units[u]
	}
	return sum
}

func randomFacts(r *rand.Rand) *Facts {
	f := &Facts{Taken: time.Date(2026, 8, 23, 3, 0, 0, 0, time.UTC), Units: map[string]int64{}, Foreign: map[string]string{},
		Space: &Space{Path: "/", Total: 10000, Free: uint64(r.IntN(9000)), Inodes: 100, FreeInodes: 50}}
	for i := range 12 {
		f.Units[fmt.Sprint("layer", i)] = int64(r.IntN(1000))
	}
	if r.IntN(4) == 0 {
		f.Foreign["layer3"] = "lease"
	}
	ago := func() time.Time { return f.Taken.Add(-time.Duration(r.IntN(60*24)) * time.Hour) }
	kinds := []Kind{Container, Cache, Image, Network, Volume}
	for i := range 4 + r.IntN(20) {
		o := Object{Ref: Ref{kinds[r.IntN(len(kinds))], fmt.Sprintf("id%02d", i)}, Name: fmt.Sprint("n", i), Arrived: ago()}
		for range r.IntN(4) {
			o.Units = append(o.Units, fmt.Sprint("layer", r.IntN(12)))
		}
		slices.Sort(o.Units)
		o.Units = slices.Compact(o.Units)
		if r.IntN(3) == 0 {
			o.Used = ago()
		}
		if r.IntN(8) == 0 {
			o.Pins = []string{"pinned"}
		}
		if r.IntN(8) == 0 {
			o.Labels = map[string]string{KeepLabel: "1"}
		}
		switch o.Kind {
		case Container:
			o.State, o.Ended = "exited", ago()
		case Volume:
			o.Anonymous = r.IntN(2) == 0
		case Image:
			for range r.IntN(3) {
				o.Tags = append(o.Tags, fmt.Sprintf("%s/app%d:%d", []string{"prot", "free", "own"}[r.IntN(3)], r.IntN(3), i))
			}
			o.Step = len(o.Tags) == 0 && r.IntN(2) == 0
		}
		for range r.IntN(3) {
			if len(f.Objects) > 0 {
				o.Needs = append(o.Needs, f.Objects[r.IntN(len(f.Objects))].Ref)
			}
		}
		o.Needs = slices.DeleteFunc(o.Needs, func(n Ref) bool { return n.Kind.order() < o.Kind.order() }) // as engines have it
		f.Objects = append(f.Objects, o)
	}
	f.sort()
	return f
}

func randomPolicy(r *rand.Rand) *Policy {
	yes := true
	p := &Policy{Version: 1, Protect: []Selector{{Kind: Image, Ref: Words{"prot/*"}}}, MinAge: &Age{time.Duration(r.IntN(48)) * time.Hour}}
	for i := range 1 + r.IntN(5) {
		rule := Rule{Name: fmt.Sprint("rule", i), Action: Remove, Select: Selector{Kind: []Kind{Container, Cache, Image, Network, Volume}[r.IntN(5)]}}
		if rule.Select.Kind == Image && r.IntN(2) == 0 {
			rule.Keep.Last, rule.Action = r.IntN(3), ArchiveRemove
		}
		if rule.Select.Kind == Volume && r.IntN(2) == 0 {
			rule.Select.Named, rule.Action = &yes, ArchiveRemove
		}
		if r.IntN(3) == 0 {
			rule.Order = Largest
		}
		p.Rules = append(p.Rules, rule)
	}
	if r.IntN(4) == 0 {
		p.Limits.MaxDelete = 1 + r.IntN(4)
	}
	if r.IntN(4) == 0 {
		p.Limits.MaxBytes = &Amount{Bytes: uint64(r.IntN(2000))}
	}
	return p
}

// TestOtherRepository adds an image to a repository: no image of another repository goes for it.
func TestOtherRepository(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		f, p := randomFacts(r), randomPolicy(r)
		p.Limits = Limits{}
		before := Decide(f, p, Options{Archive: "/archive"})
		f.Objects = append(f.Objects, Object{Ref: Ref{Image, "new"}, Name: "new/app:1", Tags: []string{"new/app:1"}, Arrived: f.Taken})
		f.sort()
		for _, v := range Decide(f, p, Options{Archive: "/archive"}).Removed {
			if v.Ref != (Ref{Image, "new"}) && !slices.ContainsFunc(before.Removed, func(b Verdict) bool { return b.Ref == v.Ref }) {
				t.Fatalf("seed %d: %s goes because an image of another repository came", seed, v.title())
			}
		}
	}
}
