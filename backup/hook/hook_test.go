package hook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"

	"davit/backup"
	"davit/engine"
)

// fakeEngine runs commands by what they are called.
type fakeEngine struct {
	ran       []string
	state     engine.Container
	absent    bool
	reference string
}

func (f *fakeEngine) Reference() string { return f.reference }

// connectTo answers with the engine, for its reference only.
func connectTo(eng *fakeEngine) Connect {
	return func(_ context.Context, reference string) (Engine, func(), error) {
		if reference != eng.reference {
			return nil, nil, errors.New("asked for " + reference)
		}
		return eng, func() {}, nil
	}
}

func (f *fakeEngine) Exec(ctx context.Context, ref string, s engine.ExecSpec, out io.Writer) (int, error) {
	f.ran = append(f.ran, ref+": "+strings.Join(s.Cmd, " "))
	fmt.Fprintln(out, "first line")
	switch last := s.Cmd[len(s.Cmd)-1]; last {
	case "hang":
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case "fail":
		fmt.Fprintln(out, "it is broken")
		return 3, nil
	case "gone":
		return 0, errors.New("no such container")
	}
	return 0, nil
}

func (f *fakeEngine) InspectContainer(context.Context, string) (engine.Container, error) {
	if f.absent {
		return engine.Container{}, cerrdefs.ErrNotFound
	}
	return f.state, nil
}

func labels(pairs ...string) map[string]string {
	l := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		l["davit.backup."+pairs[i]] = pairs[i+1]
	}
	return l
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		labels map[string]string
		want   string // description, or what is wrong
		bad    bool
	}{
		{nil, "", false},
		{labels("consistency", "live", "exclude", "x"), "", false},
		{labels("pre", "  "), "", false},
		{labels("pre", "dump > /x", "post", "rm /x"), "before: dump > /x, after: rm /x", false},
		{labels("app", "postgres", "pre", "flush"), "before: postgres: CHECKPOINT, before: flush", false},
		{labels("app", "redis"), "before: redis: BGSAVE", false},
		{labels("pre", `["/bin/x","a b"]`), `before: ["/bin/x","a b"]`, false},
		{labels("app", "mongodb"), "must be one of postgres, mariadb, redis, sqlite", true},
		{labels("pre", "["), "no JSON list", true},
		{labels("post", "[]"), "no JSON list", true},
		{labels("pre", `[""]`), "no JSON list", true},
		{labels("pre", "x", "timeout", "soon"), `timeout is "soon"`, true},
		{labels("pre", "x", "timeout", "-1s"), `timeout is "-1s"`, true},
	} {
		s, err := Parse(tc.labels)
		got := ""
		if s != nil {
			got = s.describe()
		}
		if tc.bad && (err == nil || !strings.Contains(err.Error(), tc.want)) || !tc.bad && (err != nil || got != tc.want) {
			t.Errorf("%v: %q, %v", tc.labels, got, err)
		}
	}
	if err := Check(labels("consistency", "frozen")); err == nil {
		t.Error("a consistency that there is not was taken")
	}
	s, err := Parse(labels("pre", "x", "timeout", "90s"))
	if err != nil || s.Timeout != 90*time.Second || !slices.Equal(s.Pre[0].Args, []string{"/bin/sh", "-c", "x"}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// hookOf is the hook of a container with labels, and the log of what ran.
func hookOf(t *testing.T, eng *fakeEngine, dir string, l map[string]string) (backup.Hook, *[]Result) {
	t.Helper()
	log := &[]Result{}
	h, err := New(eng, dir, time.Now, func(r Result) { *log = append(*log, r) }).Of(engine.Container{Name: "db"}, l)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

// Commands that fail or hang are told with what they printed; the rest of pre is not run, all of post is.
func TestHook(t *testing.T) {
	for command, reason := range map[string]string{
		"fail": "pre (fail) ended with exit code 3: it is broken",
		"hang": "pre (hang) did not end within 20ms",
		"gone": "pre (gone): no such container",
	} {
		eng, dir := &fakeEngine{}, t.TempDir()
		h, log := hookOf(t, eng, dir, labels("app", "redis", "pre", command, "post", "end", "timeout", "20ms"))
		if err := h.Pre(t.Context()); err == nil || err.Error() != reason {
			t.Errorf("%s: %v", command, err)
		}
		if err := h.Post(t.Context()); err != nil {
			t.Error(err)
		}
		if len(*log) != 3 || (*log)[1].Err == nil || !strings.HasPrefix((*log)[1].Output, "first line\n") || (*log)[2].When != "post" {
			t.Errorf("%s: the log is %+v", command, *log)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "hooks", "*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// What a killed run left due is run once by the next one; nobody touches what a living run has begun.
func TestRecover(t *testing.T) {
	eng, dir := &fakeEngine{reference: "tcp://far", state: engine.Container{Running: true}}, t.TempDir()
	recover := func() ([]Recovered, error) { return Recover(t.Context(), dir, time.Now, connectTo(eng)) }
	h, _ := hookOf(t, eng, dir, labels("pre", "begin", "post", "end"))
	if err := h.Pre(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done, err := recover(); err != nil || len(done) != 0 {
		t.Errorf("a living run: %v, %v", done, err)
	}
	kill(t, h)
	eng.state.Paused = true
	if done, err := recover(); err == nil || len(done) != 0 {
		t.Errorf("while it is paused: %v, %v", done, err)
	}
	eng.state.Paused, eng.ran = false, nil
	done, err := recover()
	if err != nil || len(done) != 1 || done[0] != (Recovered{"db", "post hook done"}) || !slices.Equal(eng.ran, []string{"db: /bin/sh -c end"}) {
		t.Errorf("%v, %v; ran %q", done, err, eng.ran)
	}
	if done, err := recover(); err != nil || len(done) != 0 {
		t.Errorf("the second time: %v, %v", done, err)
	}
	for outcome, eng := range map[string]*fakeEngine{"it is gone": {absent: true}, "it does not run any more": {}} {
		h, _ := hookOf(t, eng, dir, labels("pre", "begin", "post", "end"))
		if err := h.Pre(t.Context()); err != nil {
			t.Fatal(err)
		}
		kill(t, h)
		done, err := Recover(t.Context(), dir, time.Now, connectTo(eng))
		if err != nil || len(done) != 1 || done[0].Outcome != outcome {
			t.Errorf("%v, %v; want %s", done, err, outcome)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "hooks", "post-cut.json"), []byte(`{"contai`), 0o600); err != nil {
		t.Fatal(err)
	}
	if done, err := recover(); err != nil || len(done) != 0 {
		t.Errorf("a note that was cut short: %v, %v", done, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "hooks", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// kill lets go of what a process holds that dies.
func kill(t *testing.T, h backup.Hook) {
	t.Helper()
	if err := h.(*containerHook).due.Leave(); err != nil {
		t.Fatal(err)
	}
}
