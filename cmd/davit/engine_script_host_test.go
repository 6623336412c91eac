//go:build integration

package main

import (
	"testing"

	"davit/engine/enginetest"
)

// The engine's service on hosts without systemd: each command does what it says there, too, and a start is not said to be
// one before the engine answers, or when it ends at once.
func TestEngineServiceWithoutSystemd(t *testing.T) {
	boot := map[string]string{ // whether it is started at boot, in the host's own words
		"sysv":   "ls /etc/rc2.d | grep 'S..docker'",
		"openrc": "rc-update show default | grep docker",
	}
	for _, init := range []string{"sysv", "openrc"} {
		t.Run(init, func(t *testing.T) {
			h := serviceHostWith(t, enginetest.HostOptions{Engine: init})
			for _, s := range []step{
				{args: "davit engine status", stdout: "docker: active (running) since "},
				{args: "davit engine status", stdout: "at boot: enabled\nengine: 20.10"},
				{args: "davit engine status --json | jq -r .main_pid | xargs ps -o comm= -p", stdout: "dockerd"},
				{args: "davit engine stop", stdout: "stopped docker\n"},
				{args: "pgrep dockerd", code: 1},
				{args: "davit engine status", code: 13, stdout: "docker: inactive (dead)", stderr: "davit engine start starts it"},
				{args: "davit engine stop", stdout: "docker: stopped already\n"},
				{args: "davit engine reload", code: 1, stderr: "docker does not run"},
				{args: "davit engine start && docker ps", stdout: "started docker, main pid"},
				{args: "davit engine start", stdout: "docker: started already\n"},
				{args: "printf '{\"debug\": true}' > /etc/docker/daemon.json; davit engine reload && until docker info | grep 'Debug Mode: true'; do sleep 0.1; done", stdout: "reloaded docker"},
				{args: "davit engine restart && docker ps", stdout: "restarted docker, main pid"},

				{args: "davit engine disable", stdout: "disabled docker\n"},
				{args: boot[init], code: 1},
				{args: "davit engine disable --now", stdout: "docker: disabled already\nstopped docker\n"},
				{args: "davit engine enable --now && docker ps", stdout: "enabled docker\nstarted docker, main pid"},
				{args: boot[init], stdout: "docker"},

				{args: "printf '{\n  \"debug\": true,\n}\n' > /etc/docker/daemon.json"},
				{args: "davit engine restart", code: 1, stderr: "line 3, column 1"},
				{args: "docker ps"}, // it was not stopped
				{args: "davit engine stop"},
				{args: "davit engine start", code: 1, stderr: "start docker: unable to configure the Docker daemon with file /etc/docker/daemon.json"},
				{args: "rm /etc/docker/daemon.json"},
				{args: "davit engine start && docker ps", stdout: "started docker"},

				{args: "davit engine status --unit nothing", code: 1, stderr: "no unit nothing"},
				{args: "davit migrate plan --to /srv/docker", code: 1, stdout: "systemd does not run here"},
				{args: "mkdir /tmp/img && cp /bin/busybox /tmp/img/ && tar -C /tmp/img -c . | docker import - bb && docker run -d --rm --name gone --network none bb /busybox sleep 1000"},
				{args: "davit engine stop", code: 1, stderr: "containers that run with --rm, and their anonymous volumes: gone"},
				{args: "davit engine restart --allow-rm-loss", stdout: "restarted docker"},
			} {
				s.run(t, h)
			}
			h.Must(t, "sync")
			h.Crash(t)
			h.Boot(t)
			step{args: "davit engine status", stdout: "docker: active (running)"}.run(t, h)
		})
	}
}
