package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"davit/backup/agent"
	"davit/engine"
	"davit/engine/enginetest"
	"davit/engine/guard"
)

// realHost is a private engine with davit's view of it.
type realHost struct {
	*enginetest.Dockerd
	env *Env
	dir string // for bind mounts, on a disk of its own

	writer *Env // that makes snapshots: of an encrypted repository, without a key to read it
}

func newRealHost(t *testing.T, o enginetest.DockerdOptions) *realHost {
	t.Helper()
	enginetest.NeedRoot(t)
	dir := enginetest.Bindable(t, enginetest.Disk(t, 1<<30)) // before the engine: its containers end first
	d := enginetest.StartDockerd(t, o)
	eng, err := engine.Connect(context.Background(), engine.Target{Host: d.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.Close() })
	env := testEnv(t, eng)
	env.Mount = (&agent.Holding{Engine: eng, StateDir: env.StateDir, Rand: rand.Reader}).Mount
	env.Hold = GuardedBy(guard.Options{StateDir: GuardFolder(env.StateDir), Endpoint: eng.Endpoint()}, guard.Of(eng))
	return &realHost{Dockerd: d, env: env, dir: dir, writer: env}
}

// encrypt gives the host an encrypted repository.
func (h *realHost) encrypt(t *testing.T) {
	t.Helper()
	sealed := newSealedHost(t)
	reader, writer := *h.env, *h.env
	reader.Repo, writer.Repo = sealed.reader(t).Repo, sealed.env(t, nil).Repo
	h.env, h.writer = &reader, &writer
}

// describe describes a folder.
func describe(t *testing.T, dir string) enginetest.Tree {
	t.Helper()
	tr, err := enginetest.DescribeTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func same(t *testing.T, what string, before, after enginetest.Tree) {
	t.Helper()
	for _, line := range before.Diff(after) {
		t.Errorf("%s: %s", what, line)
	}
}

// definition is what a container's owner wrote: what the engine filled in when it was made is left out.
func (h *realHost) definition(t *testing.T, name string) string {
	t.Helper()
	var doc []struct {
		Name       string
		Config     map[string]any
		HostConfig map[string]any
		Image      string
		Mounts     []map[string]any
		State      struct{ Status string }
	}
	if err := json.Unmarshal([]byte(h.CLI(t, "inspect", name)), &doc); err != nil {
		t.Fatal(err)
	}
	doc[0].State.Status = ""
	if binds, ok := doc[0].HostConfig["Binds"].([]any); ok {
		// An anonymous volume comes back as itself, and so by its name.
		doc[0].HostConfig["Binds"] = slices.DeleteFunc(binds, func(b any) bool { return strings.HasSuffix(b.(string), ":/anon") })
	}
	for _, m := range doc[0].Mounts {
		delete(m, "Mode") // "z" with a name, "" without
	}
	slices.SortFunc(doc[0].Mounts, func(a, b map[string]any) int {
		return strings.Compare(a["Destination"].(string), b["Destination"].(string))
	})
	if doc[0].Config["Hostname"] != "web" {
		delete(doc[0].Config, "Hostname") // an id of the engine's
	}
	data, err := json.MarshalIndent(doc[0], "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// firstDifference shows the lines of two documents from where they differ.
func firstDifference(before, after string) string {
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return strings.Join(b[max(0, i-2):min(len(b), i+4)], "\n") + "\nbecame\n" + strings.Join(a[max(0, i-2):min(len(a), i+4)], "\n")
		}
	}
	return "one is longer"
}

func (h *realHost) restore(t *testing.T, o RestoreOptions) *RestoreReport {
	t.Helper()
	plan, err := PlanRestore(context.Background(), h.env, o)
	if err != nil {
		t.Fatalf("plan restore: %v", err)
	}
	report, err := ApplyRestore(context.Background(), h.env, plan)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	return report
}

// A whole host goes out, is destroyed, and comes back: files, image ids and tags, networks and the containers'
// definitions are what they were, and what ran runs again.
func TestHostRoundTrip(t *testing.T) {
	for name, o := range map[string]struct {
		enginetest.DockerdOptions
		encrypted, slow bool // slow: only in make integration, as each part of it is in another
	}{
		"20.10":                       {enginetest.DockerdOptions{Version: "20.10"}, false, false},
		"28.5":                        {enginetest.DockerdOptions{Version: "28.5"}, false, true},
		"28.5, encrypted":             {enginetest.DockerdOptions{Version: "28.5"}, true, false},
		"28.5, containerd":            {enginetest.DockerdOptions{Version: "28.5", ContainerdStore: true}, false, false},
		"28.5, containerd, encrypted": {enginetest.DockerdOptions{Version: "28.5", ContainerdStore: true}, true, true},
	} {
		if o.slow && !enginetest.Integration {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := newRealHost(t, o.DockerdOptions)
			if o.encrypted {
				h.encrypt(t)
			}
			h.MakeImage(t, "base:1")
			h.BuildLayers(t, "app:1", "base:1", "echo hello > /hello")
			h.CLI(t, "tag", "app:1", "app:latest")
			h.CLI(t, "volume", "create", "--label", "tier=gold", "data")
			h.CLI(t, "network", "create", "--label", "net=yes", "--subnet", "10.77.0.0/24", "back")
			bind := h.dir + "/site"
			if err := os.Mkdir(bind, 0o755); err != nil {
				t.Fatal(err)
			}
			h.RunContainer(t, "--name", "web", "--hostname", "web", "--network", "back", "--network-alias", "www",
				"--restart", "unless-stopped", "--env", "COLOR=navy blue", "--label", "role=demo", "--memory", "64m",
				"-v", "data:/data", "-v", bind+":/site", "-v", "/anon", "app:1")
			h.RunContainer(t, "--name", "side", "--network", "container:web", "--volumes-from", "web:ro", "app:latest")
			h.CLI(t, "create", "--name", "idle", "base:1")
			mount := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "data")
			enginetest.BuildTree(t, mount)
			enginetest.BuildTree(t, bind)
			volumeBefore, bindBefore := describe(t, mount), describe(t, bind)
			webBefore, idleBefore := h.definition(t, "web"), h.definition(t, "idle")
			ids := h.CLI(t, "image", "inspect", "--format", "{{.Id}}", "base:1", "app:1", "app:latest")
			network := h.CLI(t, "network", "inspect", "--format", "{{json .IPAM}} {{json .Labels}} {{.Driver}}", "back")

			report := create(t, h.writer, CreateOptions{})
			if !report.Complete || len(report.Freezes) != 1 {
				t.Errorf("report: complete %v, freezes %+v", report.Complete, report.Freezes)
			}
			for _, f := range report.Freezes {
				t.Logf("frozen for %.3f s: %v", f.Seconds, f.Containers)
			}
			for _, c := range []string{"web", "side"} {
				if s := h.CLI(t, "inspect", "--format", "{{.State.Status}}", c); s != "running" {
					t.Errorf("after the backup %s is %s", c, s)
				}
			}
			h.CLI(t, "rm", "--force", "--volumes", "web", "side", "idle")
			h.CLI(t, "volume", "rm", "data")
			h.CLI(t, "network", "rm", "back")
			h.CLI(t, "rmi", "--force", "app:latest", "app:1", "base:1")
			if err := os.RemoveAll(bind); err != nil {
				t.Fatal(err)
			}

			restored := h.restore(t, RestoreOptions{Spec: "latest", Start: true})
			same(t, "volume", volumeBefore, describe(t, mount))
			same(t, "bind mount", bindBefore, describe(t, bind))
			if got := h.definition(t, "web"); got != webBefore {
				t.Errorf("container web: %s", firstDifference(webBefore, got))
			}
			if got := h.definition(t, "idle"); got != idleBefore {
				t.Errorf("container idle: %s", firstDifference(idleBefore, got))
			}
			if got := h.CLI(t, "image", "inspect", "--format", "{{.Id}}", "base:1", "app:1", "app:latest"); got != ids {
				t.Errorf("image ids were %s and are %s", ids, got)
			}
			if got := h.CLI(t, "network", "inspect", "--format", "{{json .IPAM}} {{json .Labels}} {{.Driver}}", "back"); got != network {
				t.Errorf("network was %s and is %s", network, got)
			}
			if got := h.CLI(t, "volume", "inspect", "--format", "{{.Driver}} {{json .Labels}}", "data"); got != `local {"tier":"gold"}` {
				t.Errorf("volume is %s", got)
			}
			for c, want := range map[string]string{"web": "running", "side": "running", "idle": "created"} {
				if got := h.CLI(t, "inspect", "--format", "{{.State.Status}}", c); got != want {
					t.Errorf("%s is %s, want %s", c, got, want)
				}
			}
			if got := h.CLI(t, "exec", "web", "cat", "/hello"); got != "hello" {
				t.Errorf("the image's file holds %q", got)
			}
			for _, s := range restored.Steps {
				if !s.Done {
					t.Errorf("step not done: %+v", s)
				}
			}
			h.secondRunSavesNothing(t)
			h.verifyAll(t)
		})
	}
}

// secondRunSavesNothing proves that neither files nor images are stored again, and no image is exported.
func (h *realHost) secondRunSavesNothing(t *testing.T) {
	t.Helper()
	report := create(t, h.writer, CreateOptions{})
	for _, it := range report.Items {
		if it.Kind == KindImage && !it.Reused {
			t.Errorf("image %s was exported again", it.Name)
		}
		if isTree(it.Kind) && it.BytesNew > 1<<20 {
			t.Errorf("%s stored %d bytes again", it.Ref(), it.BytesNew)
		}
	}
}

func (h *realHost) verifyAll(t *testing.T) {
	t.Helper()
	report, err := Verify(context.Background(), h.env, VerifyOptions{ReadData: true})
	if err != nil || report.Err() != nil {
		t.Errorf("verify: %v, %+v", err, report)
	}
}

// While a container is frozen it cannot write: what it counts in two files is equal in the snapshot,
// though it runs on during the warm passes.
func TestFrozenContainerIsOneMoment(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "base:1")
	for _, mode := range []Consistency{ConsistencyPause, ConsistencyStop} {
		name := "count-" + string(mode)
		h.RunContainer(t, "--name", name, "--init", "-v", name+":/data", "base:1", "sh", "-c",
			"i=0; while :; do i=$((i+1)); for f in a b; do echo $i > /data/t; mv /data/t /data/$f; done; done")
		mount := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", name)
		deadline := time.Now().Add(time.Minute)
		for {
			if _, err := os.Stat(mount + "/b"); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the container does not write")
			}
			time.Sleep(20 * time.Millisecond)
		}
		report := create(t, h.env, CreateOptions{Selection: Selection{Volumes: []string{name}}, Consistency: mode})
		if len(report.Freezes) != 1 {
			t.Fatalf("%s: freezes: %+v", mode, report.Freezes)
		}
		t.Logf("%s: held for %.3f s", mode, report.Freezes[0].Seconds)
		if s := h.CLI(t, "inspect", "--format", "{{.State.Status}}", name); s != "running" {
			t.Errorf("%s: afterwards the container is %s", mode, s)
		}
		out := restoreTo(t, h.env, "latest:volume/"+name)
		a, err := strconv.Atoi(strings.TrimSpace(read(t, out+"/a")))
		if err != nil {
			t.Fatal(err)
		}
		b, err := strconv.Atoi(strings.TrimSpace(read(t, out+"/b")))
		if err != nil {
			t.Fatal(err)
		}
		if a != b && a != b+1 { // frozen between the two files
			t.Errorf("%s: the files hold %d and %d", mode, a, b)
		}
		h.CLI(t, "rm", "--force", name)
	}
}

// Volumes on a device are read mounted, never as the empty folder they are without that, and come back with
// their options.
func TestDeviceVolume(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "base:1")
	device := h.dir + "/share"
	write(t, device+"/file", "on the device")
	h.CLI(t, "volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+device, "share")
	report := create(t, h.env, CreateOptions{Selection: Selection{Volumes: []string{"share"}}})
	if out := restoreTo(t, h.env, "latest:volume/share"); read(t, out+"/file") != "on the device" {
		t.Error("the volume was not read mounted")
	}
	if left := h.CLI(t, "ps", "--all", "--quiet"); left != "" {
		t.Errorf("containers are left: %s", left)
	}
	h.CLI(t, "volume", "rm", "share")
	if err := os.Remove(device + "/file"); err != nil {
		t.Fatal(err)
	}
	h.restore(t, RestoreOptions{Spec: report.Snapshot + ":volume/share"})
	if read(t, device+"/file") != "on the device" {
		t.Error("the device was not filled")
	}
	if got := h.CLI(t, "volume", "inspect", "--format", "{{index .Options \"device\"}}", "share"); got != device {
		t.Errorf("the volume's device is %q", got)
	}
	plan, err := PlanRestore(context.Background(), h.env, RestoreOptions{Spec: "latest:volume/share", InPlace: true})
	if err != nil || len(plan.Refused) != 1 {
		t.Errorf("a device volume is not refused in place: %+v, %v", plan, err)
	}
}
