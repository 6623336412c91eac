package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

type testKey struct{ pkg, name string }

type skipped struct {
	testKey
	reason string
}

// report follows the events of one run.
type report struct {
	out            io.Writer
	output         map[testKey]*bytes.Buffer // of tests that have not ended
	passed, failed int
	skips          []skipped
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[testKey]*bytes.Buffer{}}
}

// read consumes the event stream until its end. A line that is no event (a program that
// writes to the stream by itself) is shown as it is.
func (r *report) read(in io.Reader) error {
	br := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
}

func (r *report) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		_, _ = r.out.Write(line)
		return
	}
	r.event(e)
}

func (r *report) event(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(r.out, e.Output)
		return
	}
	if e.Test == "" {
		if e.Action == "output" && worthShowing(e.Output) {
			fmt.Fprint(r.out, e.Output)
		}
		return
	}
	key := testKey{e.Package, e.Test}
	switch e.Action {
	case "output":
		b := r.output[key]
		if b == nil {
			b = &bytes.Buffer{}
			r.output[key] = b
		}
		b.WriteString(e.Output)
	case "pass":
		r.passed++
		delete(r.output, key)
	case "fail":
		r.failed++
		r.dump(key)
	case "skip":
		r.skips = append(r.skips, skipped{key, reason(r.text(key))})
		delete(r.output, key)
	}
}

// worthShowing leaves out the bare PASS that precedes each "ok" line.
func worthShowing(line string) bool { return line != "PASS\n" }

func (r *report) text(key testKey) string {
	if b := r.output[key]; b != nil {
		return b.String()
	}
	return ""
}

func (r *report) dump(key testKey) {
	fmt.Fprintf(r.out, "%s", r.text(key))
	delete(r.output, key)
}

// close prints what is left, the skips and the counts, and says why the run is no good.
func (r *report) close(strict bool) error {
	// Tests that began and never ended: the binary died or timed out.
	for key := range r.output {
		fmt.Fprintf(r.out, "--- UNFINISHED: %s (%s)\n", key.name, key.pkg)
		r.dump(key)
		r.failed++
	}
	missing := 0
	for _, s := range r.skips {
		mark := ""
		if strict && !optional(s.reason) {
			mark = " [must run here]"
			missing++
		}
		fmt.Fprintf(r.out, "--- SKIP: %s (%s): %s%s\n", s.name, s.pkg, s.reason, mark)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skips))
	switch {
	case missing > 0:
		return fmt.Errorf("%d tests were skipped that must run as root and in CI", missing)
	case r.passed+r.failed == 0:
		return errors.New("no test ran")
	}
	return nil
}

var skipLine = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// reason finds the text given to t.Skip in a skipped test's output: its last logged line.
func reason(output string) string {
	found := ""
	for _, line := range strings.Split(output, "\n") {
		if m := skipLine.FindStringSubmatch(line); m != nil {
			found = m[1]
		}
	}
	if found == "" {
		return "no reason given"
	}
	return found
}
