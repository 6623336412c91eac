package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"davit/engine/service"
	"davit/engine/systemd"
)

// Without systemd there is one clear line and a way out; wrong usage is found before that.
func TestEngineCommandsWithoutSystemd(t *testing.T) {
	if systemd.Running() {
		t.Skip("optional: this host runs systemd")
	}
	for _, c := range []struct {
		words  string
		code   int
		stderr string
	}{
		{"engine status", 1, "davit: systemd does not run this host\nhint: "},
		{"engine start --json", 1, "davit: systemd does not run this host\nhint: "},
		{"engine stop --user", 1, "davit: systemd does not run this host\nhint: "},
		{"engine start now", 2, "takes no argument: now"},
		{"engine stop --timeout 0s", 2, "--timeout must be more than 0"},
		{"engine stop --now", 2, "unknown flag: --now"},
	} {
		var out, err bytes.Buffer
		h := thisHost()
		h.out, h.err = &out, &err
		code := h.run(t.Context(), strings.Fields(c.words))
		if code != c.code || !strings.Contains(err.String(), c.stderr) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.words, code, c.code, &out, &err)
		}
	}
}

// A status on the screen: everything that is known, nothing that could fake a line.
func TestWriteStatus(t *testing.T) {
	var out bytes.Buffer
	h := &host{out: &out, now: func() time.Time { return time.Unix(1000, 0) }}
	since := time.Unix(940, 0)
	err := h.writeStatus(service.Status{
		Unit: "docker.service", State: "failed", Sub: "failed", Since: &since, Enabled: "enabled", Result: "exit-code",
		Sockets:    []service.Socket{{Unit: "docker.socket", State: "active", Sub: "listening", Enabled: "disabled", Listen: []string{"/run/docker.sock"}}},
		ConfigFile: "/etc/docker/daemon.json", DataRoot: "/var/lib/docker", NeedReload: true,
		Conflicts: []service.Conflict{{Key: "data-root", FromFlag: []string{"/x"}, FromFile: []byte(`"/y"`)}},
		Reason:    "evil\x1b[31m\nline", Journal: []service.JournalEntry{{Time: since, Message: "first"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "docker.service: failed (failed, exit-code) since " + clock(since) + " (1 minute ago)\n" +
		"at boot: enabled\n" +
		"docker.socket: active (listening), /run/docker.sock, at boot: disabled\n" +
		"data-root: /var/lib/docker\n" +
		"configuration: /etc/docker/daemon.json\n" +
		"warning: the engine would not start: data-root comes by a flag (/x) and by /etc/docker/daemon.json (\"/y\")\n" +
		"warning: unit files have changed; systemctl daemon-reload has systemd read them\n" +
		"reason: evil\\x1b[31m\\nline\n" +
		"  " + clock(since) + "  first\n"
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}
