package main

import (
	"strings"
	"testing"
)

const okRun = `{"Action":"run","Package":"davit/a","Test":"TestX"}
{"Action":"output","Package":"davit/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"davit/a","Test":"TestX","Output":"noise\n"}
{"Action":"pass","Package":"davit/a","Test":"TestX"}
{"Action":"output","Package":"davit/a","Output":"PASS\n"}
{"Action":"output","Package":"davit/a","Output":"ok  \tdavit/a\t0.1s\n"}
{"Action":"pass","Package":"davit/a"}
`

const skip = `{"Action":"output","Package":"davit/a","Test":"TestE","Output":"    e_test.go:7: REASON\n"}
{"Action":"output","Package":"davit/a","Test":"TestE","Output":"--- SKIP: TestE (0.00s)\n"}
{"Action":"skip","Package":"davit/a","Test":"TestE"}
`

const failing = `{"Action":"output","Package":"davit/a","Test":"TestF","Output":"    f_test.go:9: wrong\n"}
{"Action":"fail","Package":"davit/a","Test":"TestF"}
`

// A run counts as good only when something ran and nothing that had to run was skipped;
// what a reader needs to see is shown, and nothing else.
func TestReport(t *testing.T) {
	tests := []struct {
		name, in string
		strict   bool
		show     []string
		hide     []string
		bad      string
	}{
		{"all pass", okRun, true, []string{"ok  \tdavit/a\t0.1s\n", "1 passed, 0 failed, 0 skipped\n"}, []string{"noise", "PASS"}, ""},
		{"skip as root", okRun + strings.Replace(skip, "REASON", "needs root", 1), true,
			[]string{"SKIP: TestE (davit/a): needs root [must run here]", "1 passed, 0 failed, 1 skipped\n"}, nil, "1 tests were skipped"},
		{"skip without root", okRun + strings.Replace(skip, "REASON", "needs root", 1), false,
			[]string{"SKIP: TestE (davit/a): needs root\n"}, []string{"must run"}, ""},
		{"optional skip", okRun + strings.Replace(skip, "REASON", "optional: no btrfs", 1), true,
			[]string{"optional: no btrfs\n"}, []string{"must run"}, ""},
		{"failure", okRun + failing, true, []string{"f_test.go:9: wrong\n", "1 passed, 1 failed, 0 skipped\n"}, nil, ""},
		{"nothing ran", `{"Action":"output","Package":"davit/a","Output":"?   \tdavit/a\t[no test files]\n"}`, false, nil, nil, "no test ran"},
		{"died in a test", okRun + `{"Action":"output","Package":"davit/a","Test":"TestP","Output":"panic: x\n"}`, false,
			[]string{"UNFINISHED: TestP (davit/a)\npanic: x\n", "1 passed, 1 failed"}, nil, ""},
		{"build error", `{"ImportPath":"davit/a","Action":"build-output","Output":"a.go:1: no\n"}` + "\nplain text\n" + okRun, false,
			[]string{"a.go:1: no\n", "plain text\n"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			err := r.close(tt.strict)
			switch {
			case tt.bad == "" && err != nil:
				t.Errorf("close: %v", err)
			case tt.bad != "" && (err == nil || !strings.Contains(err.Error(), tt.bad)):
				t.Errorf("close: %v, want %q", err, tt.bad)
			}
			for _, s := range tt.show {
				if !strings.Contains(out.String(), s) {
					t.Errorf("not shown: %q in\n%s", s, out.String())
				}
			}
			for _, s := range tt.hide {
				if strings.Contains(out.String(), s) {
					t.Errorf("shown: %q in\n%s", s, out.String())
				}
			}
		})
	}
}
