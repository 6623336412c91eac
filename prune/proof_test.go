package prune

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

const siblings = `
version: 1
min_age: 0s
rules: [{name: images, select: {kind: image, ref: "sib:*"}, action: archive+remove}]
`

// TestSiblings takes images away one by one: what several share is freed by the last of them, and an image that a
// stopped container was made from stays.
func TestSiblings(t *testing.T) {
	t.Parallel()
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newRealHost(t, o)
			h.MakeImage(t, "base:1", enginetest.File{Name: "etc/noise", Content: noise(4 << 20)})
			for _, n := range []string{"1", "2", "3"} {
				h.BuildLayers(t, "sib:"+n, "base:1", "head -c 3000000 /dev/urandom > /own; echo "+n+" > /n")
			}
			h.CLI(t, "rmi", "base:1")
			h.CLI(t, "tag", "sib:2", "other:2") // no rule selects this name
			h.CLI(t, "create", "--name", "stopped", "sib:3")
			listed := h.listing(t)

			plan := h.plan(t, siblings)
			if len(plan.Removed) != 1 || plan.Removed[0].Name != "sib:1" || plan.Bytes > 7<<20 {
				t.Fatalf("%d images go and free %d bytes", len(plan.Removed), plan.Bytes)
			}
			if why := reasonOf(plan, "sib:3"); why != "in use by container stopped" {
				t.Errorf("the image of a stopped container stays for %q", why)
			}
			h.applyChecked(t, plan)
			h.CLI(t, "rmi", "other:2")
			h.CLI(t, "rm", "stopped")
			plan = h.plan(t, siblings)
			if plan.Bytes < 10<<20 {
				t.Errorf("the last ones free %d bytes, and their base has more", plan.Bytes)
			}
			last := h.applyChecked(t, plan)

			runs, err := History(h.env.StateDir)
			if err != nil || len(runs) != 2 {
				t.Fatalf("%d runs: %v", len(runs), err)
			}
			h.undo(t, runs[1].ID)
			h.undo(t, last.ID)
			h.CLI(t, "tag", "sib:2", "other:2")
			h.CLI(t, "create", "--name", "stopped", "sib:3")
			if now := h.listing(t); now != listed {
				t.Errorf("undo left\n%s\nbefore it was\n%s", now, listed)
			}
			if out := h.CLI(t, "run", "--rm", "sib:1", "sh", "-c", "cat /own /etc/noise | wc -c"); out != "7194304" {
				t.Errorf("the image that came back has %s bytes", out)
			}
		})
	}
}

// applyChecked carries a plan out and compares the bytes.
func (h *realHost) applyChecked(t *testing.T, plan *Plan) *Record {
	t.Helper()
	before := h.usage(t)
	record, err := Apply(t.Context(), h.env, plan)
	if err != nil {
		t.Fatalf("%v: %v", err, outcomes(record))
	}
	h.checkBytes(t, plan, before)
	return record
}

// reasonOf is why an object is kept; "" when it is not.
func reasonOf(plan *Plan, name string) string {
	i := slices.IndexFunc(plan.Kept, func(v Verdict) bool { return v.Name == name || v.ID == name })
	if i < 0 {
		return ""
	}
	return plan.Kept[i].Reason
}

// TestForgotten lets an engine forget a running container, as it does when it restarts with live-restore and cannot read
// the container's definition: the volume that the container still writes to stays.
func TestForgotten(t *testing.T) {
	t.Parallel()
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Config = map[string]any{"live-restore": true}
			h := newRealHost(t, o)
			h.MakeImage(t, "app:1")
			id := h.RunContainer(t, "--name", "web", "--volume", "/data", "--volume", "named:/named", "app:1")
			anonymous := h.CLI(t, "inspect", "--format", `{{range .Mounts}}{{if ne .Name "named"}}{{.Name}}{{end}}{{end}}`, "web")
			h.Kill9(t)
			if err := os.RemoveAll(filepath.Join(h.DataRoot, "containers", id)); err != nil {
				t.Fatal(err)
			}
			h.Start(t)
			if left := h.CLI(t, "ps", "--all", "--quiet"); left != "" {
				t.Fatalf("the engine still knows %s", left)
			}
			plan := h.plan(t, everything)
			for _, volume := range []string{anonymous, "named"} {
				if why := reasonOf(plan, volume); !strings.Contains(why, "has it mounted") {
					t.Errorf("volume %s, which a process writes to, stays for %q", volume, why)
				}
			}
			if _, err := Apply(t.Context(), h.env, plan); err != nil {
				t.Error(err)
			}
			if left := h.CLI(t, "volume", "ls", "--quiet"); !strings.Contains(left, anonymous) || !strings.Contains(left, "named") {
				t.Errorf("volumes left: %q", left)
			}
		})
	}
}

// TestArchiveRetention: archives go when they are old enough, with the next run; undo of their run then says so, and
// brings back what needs none.
func TestArchiveRetention(t *testing.T) {
	t.Parallel()
	h := newRealHost(t, enginetest.DockerdOptions{})
	policy := strings.Replace(everything, "version: 1", "version: 1\narchive: {keep: 30d}", 1)
	run := func(image string, later time.Duration) *Record {
		h.MakeImage(t, image, enginetest.File{Name: "id", Content: noise(1000)})
		h.env.Now = func() time.Time { return time.Now().Add(later) }
		h.repo.Now = h.env.Now
		record, err := Apply(t.Context(), h.env, h.plan(t, policy))
		if err != nil {
			t.Fatalf("%v: %v", err, outcomes(record))
		}
		return record
	}
	h.CLI(t, "network", "create", "net")
	first := run("first:1", 0)
	second := run("second:1", 29*24*time.Hour)
	third := run("third:1", 31*24*time.Hour)
	if len(first.Expired)+len(second.Expired) > 0 || !slices.Equal(third.Expired, []string{first.Snapshot}) {
		t.Errorf("expired: %v, %v, %v", first.Expired, second.Expired, third.Expired)
	}
	list, err := Undo(t.Context(), h.env, h.engine, first, h.repo, nil)
	var partial *PartialError
	if !errors.As(err, &partial) || len(list) != 2 || !list[0].Done || list[1].Done || !strings.Contains(list[1].Reason, "is gone") {
		t.Errorf("undo of the first says %v: %+v", err, list)
	}
	h.undo(t, third.ID)
	if images := h.CLI(t, "images", "--format", "{{.Repository}}"); images != "third" {
		t.Errorf("images: %q", images)
	}
}
