package guard

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays davit's part as well: as the guard process, and as the owner that
// is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == Subcommand {
		os.Exit(Main(context.Background(), os.Args[2:], dialTest))
	}
	if len(os.Args) > 2 && os.Args[1] == "__owner" {
		if err := runOwner(os.Args[2]); err != nil {
			fmt.Println("owner:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// dialTest connects the guard process to a real engine or to a fake one.
func dialTest(ctx context.Context, endpoint string) (Engine, error) {
	if strings.HasPrefix(endpoint, "unix://") {
		return dialEngine(ctx, endpoint)
	}
	return dialFake(ctx, endpoint)
}

// ownerPlan is what an owner process is told to do.
type ownerPlan struct {
	Endpoint string
	StateDir string // "": a new one
	MaxHold  time.Duration
	Systemd  bool
	Mode     Mode
	Targets  []Target
}

// runOwner freezes and says "frozen"; then each line of its input is a command.
func runOwner(plan string) error {
	var p ownerPlan
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		return err
	}
	ctx := context.Background()
	eng, err := dialTest(ctx, p.Endpoint)
	if err != nil {
		return err
	}
	g, err := New(Options{RunID: "run1", StateDir: p.StateDir, Endpoint: p.Endpoint, MaxHold: p.MaxHold, Systemd: p.Systemd})
	if err != nil {
		return err
	}
	frozen, err := g.Freeze(ctx, eng, p.Targets, p.Mode)
	if err != nil {
		return errors.Join(err, g.Close())
	}
	fmt.Println("frozen")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "eat" {
			return fmt.Errorf("not killed for memory: %d", len(eat()))
		}
		held, err := frozen.Thaw(ctx)
		if err != nil {
			return err
		}
		answer, err := json.Marshal(held)
		if err != nil {
			return err
		}
		fmt.Println(string(answer))
	}
	return g.Close()
}

// eat takes memory until the kernel ends the process, or 4 GiB are taken.
func eat() [][]byte {
	var all [][]byte
	for range 1024 {
		all = append(all, bytes.Repeat([]byte{1}, 4<<20))
	}
	return all
}

// owner is a running owner process.
type owner struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
	dir string // state folder
}

// startOwner starts an owner in a process group of its own.
func startOwner(t *testing.T, p ownerPlan) *owner {
	t.Helper()
	if p.StateDir == "" {
		p.StateDir = t.TempDir()
	}
	plan, err := json.Marshal(p)
	must(t, err)
	exe, err := os.Executable()
	must(t, err)
	o := &owner{t: t, cmd: exec.Command(exe, "__owner", string(plan)), dir: p.StateDir}
	o.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	o.cmd.Stderr = os.Stderr
	o.in, err = o.cmd.StdinPipe()
	must(t, err)
	out, err := o.cmd.StdoutPipe()
	must(t, err)
	o.out = bufio.NewReader(out)
	must(t, o.cmd.Start())
	t.Cleanup(func() {
		o.kill()
		// A guard that outlives its engine would go on trying for long.
		eventually(t, time.Minute, "guard done", func() bool { return empty(t, o.dir) })
	})
	return o
}

// frozenOwner starts an owner and waits until it has frozen.
func frozenOwner(t *testing.T, p ownerPlan) *owner {
	t.Helper()
	o := startOwner(t, p)
	if line := o.read(); line != "frozen" {
		t.Fatalf("owner says %q", line)
	}
	return o
}

func (o *owner) read() string {
	o.t.Helper()
	line, err := o.out.ReadString('\n')
	if err != nil {
		o.t.Fatalf("owner says %q, then: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// thaw tells the owner to thaw and answers with what came of it.
func (o *owner) thaw() Held {
	o.t.Helper()
	fmt.Fprintln(o.in, "thaw")
	var h Held
	must(o.t, json.Unmarshal([]byte(o.read()), &h))
	return h
}

// kill kills the owner's session leader.
func (o *owner) kill() {
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
}

// killGroup kills everything in the owner's process group.
func (o *owner) killGroup() {
	_ = unix.Kill(-o.cmd.Process.Pid, unix.SIGKILL)
	_ = o.cmd.Wait()
}

// guardPID reads from the journal who guards.
func (o *owner) guardPID() int {
	o.t.Helper()
	f, err := os.Open(filepath.Join(o.dir, "run1"+suffix))
	must(o.t, err)
	defer f.Close()
	pid := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var r record
		if json.Unmarshal(s.Bytes(), &r) == nil && r.Op == opGuard {
			pid = r.Process.PID
		}
	}
	if pid == 0 {
		o.t.Fatal("no guard in the journal")
	}
	return pid
}

// eventually waits for a condition, and fails after the limit.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// empty tells that a folder holds nothing, or only logs.
func empty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".log" {
			return false
		}
	}
	return true
}
