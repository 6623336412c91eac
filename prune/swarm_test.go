//go:build integration

package prune

import (
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// TestSwarmServices: what a service's definition names stays, though not one of its tasks runs: the image by tag and by
// digest, that of the definition before, volumes, also those that tasks name by a template, and networks. When the
// service is gone, all of it goes.
func TestSwarmServices(t *testing.T) {
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			h := newRealHost(t, o)
			enginetest.InitSwarm(t, h.Dockerd)
			for _, ref := range []string{"by-tag:1", "by-tag:2", "by-digest:1", "running:1", "free:1"} {
				h.MakeImage(t, ref, enginetest.File{Name: "id", Content: ref + noise(1000)})
			}
			for _, volume := range []string{"data", "slot-1", "slots", "free"} {
				h.CLI(t, "volume", "create", volume)
			}
			h.CLI(t, "network", "create", "--driver", "overlay", "back")
			service := func(name, replicas, image string, more ...string) {
				args := append([]string{"service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas", replicas}, more...)
				h.CLI(t, append(args, image)...)
			}
			service("idle", "0", "by-tag:1", "--mount", "type=volume,source=data,target=/data", "--network", "back",
				"--mount", "type=volume,source=slot-{{.Task.Slot}},target=/slot")
			h.CLI(t, "service", "update", "--detach", "--no-resolve-image", "--image", "by-tag:2", "idle")
			service("busy", "1", "running:1")
			digest := "" // an image that was not pulled has one in containerd's store only
			if o.ContainerdStore {
				digest = h.CLI(t, "inspect", "--format", "{{.Id}}", "by-digest:1")
				service("pinned", "0", "other/name@"+digest)
			}
			h.await(t, "a task runs", func() bool { return h.CLI(t, "ps", "--quiet") != "" })

			plan := h.plan(t, everything)
			for name, why := range map[string]string{
				"by-tag:1": "swarm service idle", "by-tag:2": "swarm service idle", "data": "swarm service idle", "slot-1": "swarm service idle",
				"running:1": "", "back": "", "ingress": "", "docker_gwbridge": "",
			} {
				if got := reasonOf(plan, name); got == "" || !strings.Contains(got, why) {
					t.Errorf("%s is kept for %q, want %q", name, got, why)
				}
			}
			if digest != "" && !strings.Contains(reasonOf(plan, "by-digest:1"), "swarm service pinned") {
				t.Errorf("by-digest:1 is kept for %q", reasonOf(plan, "by-digest:1"))
			}
			for _, name := range []string{"free:1", "free", "slots"} {
				if why := reasonOf(plan, name); why != "" {
					t.Errorf("%s is kept: %s", name, why)
				}
			}
			if record, err := Apply(t.Context(), h.env, plan); err != nil {
				t.Fatalf("%v: %v", err, outcomes(record))
			}
			h.CLI(t, "service", "scale", "--detach", "idle=1")
			h.await(t, "the idle service runs", func() bool { return strings.Contains(h.CLI(t, "ps"), "idle.1.") })
			h.CLI(t, append([]string{"service", "rm"}, strings.Fields(h.CLI(t, "service", "ls", "--quiet"))...)...)
			h.await(t, "no task is left", func() bool { return h.CLI(t, "ps", "--all", "--quiet") == "" })
			plan = h.plan(t, everything)
			for _, ref := range []string{"by-tag:1", "by-tag:2", "running:1", "data", "slot-1"} {
				if !slices.ContainsFunc(plan.Removed, func(v Verdict) bool { return v.Name == ref }) {
					t.Errorf("%s stays without a service: %s", ref, reasonOf(plan, ref))
				}
			}
		})
	}
}

func (h *realHost) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}
