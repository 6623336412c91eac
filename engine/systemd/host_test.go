//go:build integration

package systemd

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// Against a real manager: this test runs itself in a host.
func TestOnAHost(t *testing.T) {
	if os.Getenv("DAVIT_IN_HOST") == "" {
		h := enginetest.StartHost(t)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		h.Put(t, self, "/systemd.test")
		stdout, stderr, code := h.Run(t, "env", "DAVIT_IN_HOST=1", "/systemd.test", "-test.run=^TestOnAHost$", "-test.v")
		if code != 0 || !strings.Contains(stdout, "--- PASS: TestOnAHost/masks") {
			t.Errorf("in the host: %s%s", stdout, stderr)
		}
		return
	}
	c, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do := func(verb Verb, unit string) error {
		wait, err := c.Begin(t.Context(), verb, unit)
		if err != nil {
			return err
		}
		return wait(t.Context())
	}
	must(os.WriteFile("/etc/systemd/system/x.service", []byte("[Service]\nExecStart=/bin/sh -c 'echo said ${WORD}; exec sleep 1000'\n"), 0o644))
	must(c.ReadFiles(t.Context()))
	t.Run("drop-ins", func(t *testing.T) {
		must(c.WriteDropIn(t.Context(), "x.service", "davit.conf", "[Service]\nEnvironment=WORD=hello\n"))
		must(do(Start, "x.service"))
		u, err := c.Unit(t.Context(), "x.service")
		must(err)
		if u.Active != "active" || u.MainPID == 0 || len(u.DropIns) != 1 || u.Env[0] != "WORD=hello" || time.Since(u.Since) > time.Minute {
			t.Errorf("%+v", u)
		}
		for deadline := time.Now().Add(time.Minute); ; { // what a process prints reaches the journal by itself
			lines, err := c.Journal(t.Context(), time.Time{}, 20, "x.service")
			must(err)
			found := false
			for _, l := range lines {
				found = found || l.Message == "said hello" && !l.Manager
			}
			if found {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the journal has %v", lines)
			}
		}
		must(c.RemoveDropIn(t.Context(), "x.service", "davit.conf"))
	})
	t.Run("failures", func(t *testing.T) {
		must(os.WriteFile("/etc/systemd/system/bad.service", []byte("[Service]\nType=notify\nExecStart=/bin/false\n"), 0o644))
		must(c.ReadFiles(t.Context()))
		var job *JobError
		if err := do(Start, "bad.service"); !errors.As(err, &job) || job.Result != "failed" {
			t.Errorf("error is %v", err)
		}
		if u, err := c.Unit(t.Context(), "bad.service"); err != nil || u.Active != "failed" || u.Result != "exit-code" {
			t.Errorf("%+v, %v", u, err)
		}
		must(c.ResetFailed(t.Context(), "bad.service"))
		if u, err := c.Unit(t.Context(), "bad.service"); err != nil || u.Active != "inactive" {
			t.Errorf("%+v, %v", u, err)
		}
		if u, err := c.Unit(t.Context(), "absent.service"); err != nil || u.Exists() {
			t.Errorf("%+v, %v", u, err)
		}
		must(c.ResetFailed(t.Context(), "absent.service"))
	})
	t.Run("masks", func(t *testing.T) {
		must(do(Stop, "docker.socket"))
		must(c.MaskRuntime(t.Context(), "docker.socket", "docker.service"))
		if u, err := c.Unit(t.Context(), "docker.service"); err != nil || !u.Masked() || u.File != "masked-runtime" {
			t.Errorf("%+v, %v", u, err)
		}
		if err := do(Start, "docker.service"); err == nil {
			t.Error("a masked unit started")
		}
		must(c.UnmaskRuntime(t.Context(), "docker.socket", "docker.service"))
		must(do(Start, "docker.service"))
		must(do(Reload, "docker.service"))
		if u, err := c.Unit(t.Context(), "docker.service"); err != nil || u.Active != "active" || !u.Notify {
			t.Errorf("%+v, %v", u, err)
		}
	})
}
