package dockercmd

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// quoted makes everything visible that does not print.
func quoted(s string) string {
	q := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// A character that comes in two writes is one character; what could harm a terminal is visible however it is cut.
func TestVisibleWriter(t *testing.T) {
	text := "NAME\tÜmläut\\n\n\x1b[31mred\u009b2J\r \xff end 世界\n"
	want := "NAME\tÜmläut\\n\n" + `\x1b[31mred\u009b2J\r \xff end 世界` + "\n"
	for cut := range len(text) {
		var out bytes.Buffer
		w := &visibleWriter{w: &out, visible: quoted}
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := w.Write([]byte(part)); err != nil || n != len(part) {
				t.Fatalf("cut at %d: wrote %d of %d: %v", cut, n, len(part), err)
			}
		}
		if out.String() != want {
			t.Fatalf("cut at %d: %q, want %q", cut, out.String(), want)
		}
	}
}

// Strings are made visible wherever a value has them; bytes and numbers stay.
func TestMakeVisible(t *testing.T) {
	type inner struct {
		Labels map[string]string
		Any    map[string]any
		Raw    []byte
	}
	type value struct {
		Name  string
		List  []string
		Inner *inner
		Each  []inner
		N     int
		Empty *inner
	}
	evil, good := "a\nb", `a\nb`
	build := func(s string) value {
		return value{Name: s, List: []string{s, "x"}, N: 7,
			Inner: &inner{Labels: map[string]string{s: s, "k": s}, Any: map[string]any{"k": s, "l": []any{s}, "n": 1.5}, Raw: []byte(evil)},
			Each:  []inner{{Labels: map[string]string{"k": s}}}}
	}
	got, want := build(evil), build(good)
	makeVisible(&got, quoted)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
