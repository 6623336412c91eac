package backup

import (
	"errors"
	"testing"
)

// Each reference means one thing, and what it means writes it back.
func TestParseItemRef(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want ItemRef
		out  string // canonical spelling, "" is the same
	}{
		{in: "latest", want: ItemRef{Snapshot: "latest"}},
		{in: "3f2a", want: ItemRef{Snapshot: "3f2a"}},
		{in: "latest:volume/pgdata", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "pgdata"}},
		{in: "latest:volume/pgdata//base/1", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "pgdata", Path: "base/1"}},
		{in: "latest:volume/pgdata//", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "pgdata"}, out: "latest:volume/pgdata"},
		{in: "latest:volume/pgdata//a//b/", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "pgdata", Path: "a/b"}, out: "latest:volume/pgdata//a/b"},
		{in: "latest:bind/%2Fsrv%2Fwww", want: ItemRef{Snapshot: "latest", Kind: "bind", Name: "/srv/www"}},
		{in: "latest:bind/%2fsrv", want: ItemRef{Snapshot: "latest", Kind: "bind", Name: "/srv"}, out: "latest:bind/%2Fsrv"},
		{in: "latest:image/app%3A1", want: ItemRef{Snapshot: "latest", Kind: "image", Name: "app:1"}},
		{in: "latest:image/app:1", want: ItemRef{Snapshot: "latest", Kind: "image", Name: "app:1"}, out: "latest:image/app%3A1"},
		{in: "latest:path/%2Fa//50%off/%41", want: ItemRef{Snapshot: "latest", Kind: "path", Name: "/a", Path: "50%off/%41"}},
		{in: "latest:volume/50%25", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "50%"}},
		{in: "latest:rw-layer/web", want: ItemRef{Snapshot: "latest", Kind: "rw-layer", Name: "web"}},
		{in: "latest:volume/a%0Ab", want: ItemRef{Snapshot: "latest", Kind: "volume", Name: "a\nb"}},
	} {
		got, err := ParseItemRef(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("ParseItemRef(%q) = %+v, %v; want %+v", tc.in, got, err, tc.want)
			continue
		}
		out := tc.out
		if out == "" {
			out = tc.in
		}
		if got.String() != out {
			t.Errorf("%+v is written %q, want %q", got, got.String(), out)
		}
	}
}

// What is no reference is a usage error, never another item.
func TestParseItemRefRefuses(t *testing.T) {
	for _, in := range []string{
		"", ":", ":volume/a", "latest:", "latest:volume", "latest:volume/", "latest:volume//a",
		"latest:tree/a", "latest:Volume/a", "latest:volume/a/b", "latest:bind//srv/www",
		"latest:volume/a%", "latest:volume/a%2", "latest:volume/a%zz", "latest:volume/a//../b",
		"latest:volume/a//./b", "la test", "latest/x", "latest\x1b[2J:volume/a",
	} {
		got, err := ParseItemRef(in)
		var usage *UsageError
		if !errors.As(err, &usage) {
			t.Errorf("ParseItemRef(%q) = %+v, %v; want a usage error", in, got, err)
		}
	}
}

// Every name survives being written into a reference, whatever bytes it holds.
func FuzzItemRef(f *testing.F) {
	f.Add("pgdata", "base/1")
	f.Add("/srv/w:w%", "")
	f.Add("\x00\xff\n", "a\nb/\xff")
	f.Fuzz(func(t *testing.T, name, path string) {
		if name == "" {
			return
		}
		clean, err := cleanInnerPath(path)
		if err != nil {
			return
		}
		want := ItemRef{Snapshot: "latest", Kind: KindVolume, Name: name, Path: clean}
		got, err := ParseItemRef(want.String())
		if err != nil || got != want {
			t.Fatalf("%q becomes %+v, %v; want %+v", want.String(), got, err, want)
		}
	})
}

// The parser never accepts what it would write otherwise than it reads.
func FuzzParseItemRef(f *testing.F) {
	f.Add("latest:volume/pgdata//base/1")
	f.Add("3f2a:bind/%2Fsrv")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseItemRef(s)
		if err != nil {
			return
		}
		again, err := ParseItemRef(ref.String())
		if err != nil || again != ref {
			t.Fatalf("%q reads as %+v and is written %q, which reads as %+v, %v", s, ref, ref.String(), again, err)
		}
	})
}
