package main

import (
	"strings"
	"testing"
	"time"
)

// TestVisible shows that nothing a name holds reaches the terminal as anything but printing characters, and that
// harmless names stay as they are.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		`C:\back`:          `C:\back`,
		"größe 日本":         "größe 日本",
		"a\nb":             `a\nb`,
		"\x1b]0;title\a":   `\x1b]0;title\a`,
		"csi \u009b31m":    `csi \u009b31m`,
		"bidi \u202egnp":   `bidi \u202egnp`,
		"zero\u200bwidth":  `zero\u200bwidth`,
		"bad \xff utf8":    `bad \xff utf8`,
		"real \ufffd sign": `real � sign`,
		"both \\n and \n":  `both \\n and \n`,
		"tab\tcr\r":        `tab\tcr\r`,
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[2Jb")
	f.Fuzz(func(t *testing.T, s string) {
		v := visible(s)
		for _, r := range v {
			if r < 0x20 || r >= 0x7f && r < 0xa0 {
				t.Fatalf("%q lets %q through", s, r)
			}
		}
		if visible(v) != v && !strings.Contains(v, "\ufffd") {
			t.Fatalf("visible text is changed again: %q", v)
		}
	})
}

// TestTable shows columns aligned to the widest cell, double-width characters counted, and hostile cells kept in
// their row.
func TestTable(t *testing.T) {
	tab := newTable("ID", ">SIZE", "NAME")
	tab.row("日本", "5", "a\nb")
	tab.row("x", "12345", "")
	var b strings.Builder
	if err := tab.write(&b); err != nil {
		t.Fatal(err)
	}
	want := "ID     SIZE  NAME\n日本      5  a\\nb\nx     12345\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestSizesAndSpans(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1: "1 B", 1536: "1.5 KiB", -2048: "-2.0 KiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		312 * time.Microsecond: "312µs", 12345 * time.Microsecond: "12ms", 1523 * time.Millisecond: "1.52s", 250 * time.Second: "4m10s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%d) = %s, want %s", d, got, want)
		}
	}
}
