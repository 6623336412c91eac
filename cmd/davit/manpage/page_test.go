package manpage

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func hostilePage() Page {
	return Page{
		Name: "davit-x-y", Short: `does "it" -- all`,
		Synopsis: []string{"davit x y [--flag] <NAME>"},
		Text:     ".TH in the text\n'quoted' and `ticked` \\fBback\\fR\n\n  davit x y --filter until=<timestamp> ~/x^2",
		Lists:    []List{{"Flags", []Entry{{"-f, --filter list", ".first\nsecond --line"}}}, {"Empty", nil}},
		See:      []string{"davit", "davit-x"},
	}
}

// What a page is given stands in it as it is: nothing of it is taken for a request of the language.
func TestPage(t *testing.T) {
	var b strings.Builder
	if err := hostilePage().Write(&b, "davit 1.0", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`.TH "DAVIT-X-Y" "1" "2026-11-23" "davit 1.0" "davit"`, `davit\-x\-y \- does \(dqit\(dq \-\- all`,
		"\n\\&.TH in the text\n", "\n\\(aqquoted\\(aq and \\(gaticked\\(ga \\efBback\\efR\n\\&\n", "until=<timestamp>",
		".TP\n\\fB\\-f, \\-\\-filter list\\fR\n\\&.first\nsecond \\-\\-line\n", "davit(1), davit\\-x(1)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "EMPTY") {
		t.Error("an empty list has a title")
	}
}

// A reader of manual pages shows them without a complaint.
func TestPageIsRead(t *testing.T) {
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skip("optional: no man on this machine")
	}
	file := filepath.Join(t.TempDir(), "davit-x-y.1")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := hostilePage().Write(f, "davit", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(man, "--warnings", "-E", "ascii", "-l", file)
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "MANPAGER=cat", "PAGER=cat", "LC_ALL=C.UTF-8")
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Fatalf("man: %v: %s", err, said.String())
	}
	for _, want := range []string{".TH in the text", `'quoted' and`, "ticked` \\fBback\\fR", "until=<timestamp> ~/x^2", ".first second --line", "-f, --filter list"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("man does not show %q:\n%s", want, out.String())
		}
	}
}
