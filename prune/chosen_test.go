package prune

import (
	"testing"
	"time"
)

// A policy made from chosen objects selects these and no others, whatever is in their names.
func TestChosenPolicy(t *testing.T) {
	evil := "evil*\x1b[31m\n  - name: all\"'"
	text := ChosenPolicy([]Choice{
		{Kind: Container, Names: []string{evil}}, {Kind: Container, Names: []string{"web"}},
		{Kind: Image, Names: []string{"app:1", "other/app:2"}}, {Kind: Image, Names: []string{"0123456789ab"}},
		{Kind: Volume, Names: []string{"data"}, Named: true}, {Kind: Volume, Names: []string{"f00d"}},
		{Kind: Cache},
	})
	policy, err := ParsePolicy("chosen", text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	selected := func(o Object) bool {
		for _, r := range policy.Rules {
			if r.Select.selects(&o, time.Now()) {
				return true
			}
		}
		return false
	}
	object := func(kind Kind, name string) Object { return Object{Ref: Ref{Kind: kind, ID: name}, Name: name} }
	image := func(name string, tags ...string) Object {
		o := object(Image, name)
		o.Tags = tags
		return o
	}
	anonymous := object(Volume, "f00d")
	anonymous.Anonymous = true
	for _, o := range []Object{object(Container, evil), object(Container, "web"), image("app:1", "app:1", "other/app:2"),
		image("0123456789ab"), object(Volume, "data"), anonymous, object(Cache, "any")} {
		if !selected(o) {
			t.Errorf("%s %q is not selected by\n%s", o.Kind, o.Name, text)
		}
	}
	for _, o := range []Object{object(Container, "evilx"), object(Container, "web2"), image("app:1", "app:1", "app:3"), image("app:10", "app:10"),
		image("ffffffffffff"), object(Volume, "data2"), object(Volume, "f00d"), object(Network, "web")} {
		if selected(o) {
			t.Errorf("%s %q is selected by\n%s", o.Kind, o.Name, text)
		}
	}
	if _, err := ParsePolicy("one", ChosenPolicy([]Choice{{Kind: Cache}})); err != nil {
		t.Error(err)
	}
	if min := policy.minAge(); min != 0 {
		t.Errorf("nothing younger than %v goes", min)
	}
}
