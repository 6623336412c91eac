package engine_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine"
	"davit/engine/enginetest"
)

// bed is a real engine, connected.
type bed struct {
	*engine.Engine
	d    *enginetest.Dockerd
	info engine.Info
}

func connect(t *testing.T, o enginetest.DockerdOptions) *bed {
	t.Helper()
	d := enginetest.StartDockerd(t, o)
	e, err := engine.Connect(t.Context(), engine.Target{Host: d.Host, ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	info, err := e.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &bed{e, d, info}
}

// The whole package works against each kind of engine.
func TestRealEngines(t *testing.T) {
	enginetest.NeedRoot(t)
	for name, o := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := connect(t, o)
			b.d.ImportImage(t, "base:1", []string{"LABEL from=image both=image", "VOLUME /anon"})
			b.d.BuildLayers(t, "app:1", "base:1", "echo a > /a", "echo b > /b")
			t.Run("info", func(t *testing.T) { testInfo(t, b, o) })
			t.Run("local", func(t *testing.T) { testLocal(t, b) })
			t.Run("containers", func(t *testing.T) { testContainers(t, b) })
			t.Run("lifecycle", func(t *testing.T) { testLifecycle(t, b) })
			t.Run("exec", func(t *testing.T) { testExec(t, b) })
			t.Run("volumes", func(t *testing.T) { testVolumes(t, b) })
			t.Run("images", func(t *testing.T) { testImages(t, b) })
			t.Run("recreate", func(t *testing.T) { testRecreate(t, b) })
			t.Run("helper", func(t *testing.T) { testHelper(t, b) })
			t.Run("spool", func(t *testing.T) { testSpool(t, b) })
		})
	}
}

func testInfo(t *testing.T, b *bed, o enginetest.DockerdOptions) {
	if b.info.DataRoot != b.d.DataRoot || !strings.HasPrefix(b.info.Version, b.d.Version) ||
		b.info.ContainerdStore != o.ContainerdStore || b.info.ID == "" || b.info.APIVersion < "1.41" || b.info.Swarm {
		t.Errorf("info %+v", b.info)
	}
	if b.info.ContainerdAddress != "" && b.info.ContainerdRoot != b.d.ContainerdRoot {
		t.Errorf("containerd's root is %s, want %s", b.info.ContainerdRoot, b.d.ContainerdRoot)
	}
}

// The private engine is local; behind a forwarder, which may be ssh, it is not, although
// all it says is the same.
func testLocal(t *testing.T, b *bed) {
	if ok, reason := b.Local(t.Context()); !ok {
		t.Errorf("not local: %s", reason)
	}
	for network, reason := range map[string]string{"unix": "served by", "tcp": "over tcp"} {
		e, err := engine.Connect(t.Context(), engine.Target{Host: forward(t, network, b.d.Host), ConfigDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if ok, got := e.Local(t.Context()); ok || !strings.Contains(got, reason) {
			t.Errorf("over %s: local %v, reason %q, want %q", network, ok, got, reason)
		}
	}
}

func testContainers(t *testing.T, b *bed) {
	id := b.d.RunContainer(t, "--name", "c1", "--label", "own=1", "--label", "both=own", "--label", "com.docker.compose.project=p",
		"--label", "com.docker.compose.service=s", "--label", "com.docker.compose.depends_on=x:service_started:false",
		"-v", "data:/data", "-v", b.d.Dir+":/bind:ro", "app:1")
	b.d.CLI(t, "exec", "c1", "sh", "-c", "echo hello > /file")
	all, err := b.ContainersSized(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("containers %v, %v", all, err)
	}
	c := all[0]
	if c.ID != id || c.Name != "c1" || c.Image != "app:1" || !c.Running || c.Paused || c.AutoRemove || c.Swarm || c.Pid == 0 ||
		c.Project != "p" || c.Service != "s" || !slices.Equal(c.DependsOn, []string{"x"}) || c.SizeRw < 6 {
		t.Errorf("container %+v", c)
	}
	var dests []string
	for _, m := range c.Mounts {
		dests = append(dests, m.Type+" "+m.Destination)
	}
	if want := []string{"volume /anon", "bind /bind", "volume /data"}; !slices.Equal(dests, want) {
		t.Errorf("mounts %v, want %v", dests, want)
	}
	if data, err := os.ReadFile(filepath.Join(c.UpperDir, "file")); !b.info.ContainerdStore && (err != nil || string(data) != "hello\n") {
		t.Errorf("writable layer %q: %q, %v", c.UpperDir, data, err)
	}
	own, err := b.OwnLabels(t.Context(), c)
	if err != nil || own["own"] != "1" || own["both"] != "own" || own["from"] != "" || c.Labels["from"] != "image" {
		t.Errorf("own labels %v, %v; all %v", own, err, c.Labels)
	}
	if _, err := b.InspectContainer(t.Context(), "nope"); !engine.IsNotFound(err) {
		t.Errorf("no such container: %v", err)
	}
}

func testLifecycle(t *testing.T, b *bed) {
	check := func(step string, err error, running, paused bool) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		c, err := b.InspectContainer(t.Context(), "c1")
		if err != nil || c.Running != running || c.Paused != paused {
			t.Errorf("after %s: running %v, paused %v, %v", step, c.Running, c.Paused, err)
		}
	}
	check("pause", b.Pause(t.Context(), "c1"), true, true)
	if err := b.Pause(t.Context(), "c1"); !engine.IsConflict(err) {
		t.Logf("a second pause: %v", err)
	}
	check("unpause", b.Unpause(t.Context(), "c1"), true, false)
	check("stop", b.Stop(t.Context(), "c1"), false, false)
	check("second stop", b.Stop(t.Context(), "c1"), false, false)
	check("start", b.Start(t.Context(), "c1"), true, false)
	check("second start", b.Start(t.Context(), "c1"), true, false)
	if err := b.RemoveContainer(t.Context(), "c1"); !engine.IsConflict(err) {
		t.Errorf("removing a running container: %v", err)
	}
}

func testVolumes(t *testing.T, b *bed) {
	spec := engine.VolumeSpec{Name: "made", Driver: "local", Labels: map[string]string{"l": "1"},
		Options: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}
	made, err := b.CreateVolume(t.Context(), spec)
	if err != nil || made.Name != "made" || !maps.Equal(made.Options, spec.Options) || !maps.Equal(made.Labels, spec.Labels) || made.Anonymous {
		t.Errorf("volume %+v, %v", made, err)
	}
	all, err := b.Volumes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	anonymous, named := 0, []string{}
	for _, v := range all {
		if v.Anonymous {
			anonymous++
		} else {
			named = append(named, v.Name)
		}
		if st, err := os.Stat(v.Mountpoint); err != nil || !st.IsDir() {
			t.Errorf("mount point of %s: %v", v.Name, err)
		}
	}
	if anonymous == 0 || !slices.Equal(named, []string{"data", "made"}) {
		t.Errorf("%d anonymous volumes, named %v", anonymous, named)
	}
	if err := b.RemoveVolume(t.Context(), "data"); !engine.IsConflict(err) {
		t.Errorf("removing a volume in use: %v", err)
	}
	if err := b.RemoveVolume(t.Context(), "made"); err != nil {
		t.Error(err)
	}
	if _, err := b.InspectVolume(t.Context(), "made"); !engine.IsNotFound(err) {
		t.Errorf("a removed volume: %v", err)
	}
}

func testImages(t *testing.T, b *bed) {
	if err := b.Tag(t.Context(), "app:1", "app:2"); err != nil {
		t.Fatal(err)
	}
	img, err := b.InspectImage(t.Context(), "app:1")
	if err != nil || !slices.Equal(img.Tags, []string{"app:1", "app:2"}) || len(img.DiffIDs) != 3 || img.Labels["from"] != "image" || img.Size == 0 {
		t.Fatalf("image %+v, %v", img, err)
	}
	all, err := b.Images(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(i engine.Image) bool { return i.ID == img.ID }) {
		t.Errorf("images %v, %v", all, err)
	}
	stream, err := b.SaveImages(t.Context(), []string{"app:2"})
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	_, err = archive.ReadFrom(stream)
	stream.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Untag(t.Context(), "app:2"); err != nil {
		t.Error(err)
	}
	result, err := b.LoadImage(t.Context(), bytes.NewReader(archive.Bytes()))
	if err != nil || !slices.ContainsFunc(result.Refs, func(r string) bool { return strings.HasSuffix(r, "app:2") }) {
		t.Errorf("load %+v, %v", result, err)
	}
	if again, err := b.InspectImage(t.Context(), "app:2"); err != nil || again.ID != img.ID {
		t.Errorf("loaded image %s, %v; want %s", again.ID, err, img.ID)
	}
	if result, err := b.LoadImage(t.Context(), bytes.NewReader(archive.Bytes()[:archive.Len()/2])); err == nil {
		t.Errorf("half an archive loads: %+v", result)
	}
	config, err := b.RawImageConfig(t.Context(), img.ID)
	if b.info.ContainerdStore {
		if err == nil {
			t.Error("the containerd store gives a config")
		}
	} else if err != nil || !json.Valid(config) {
		t.Errorf("raw config %q, %v", config, err)
	}
}

func testSpool(t *testing.T, b *bed) {
	room, err := b.SpoolRoom(t.Context())
	if err != nil || room.Free == 0 || room.Spools == b.info.ContainerdStore || !strings.HasPrefix(room.Path, b.d.DataRoot) {
		t.Errorf("room %+v, %v", room, err)
	}
}

// A volume on a device, empty for all that can be seen, is mounted as long as the helper
// lives.
func testHelper(t *testing.T, b *bed) {
	image, content := filepath.Join(b.d.Dir, "vol.img"), filepath.Join(b.d.Dir, "content")
	if err := os.WriteFile(content, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]string{
		{"truncate", "-s", "8M", image}, {"mkfs.ext4", "-q", image},
		{"debugfs", "-w", "-R", "write " + content + " content", image},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", cmd, err, out)
		}
	}
	loop, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(string(loop))
	t.Cleanup(func() { exec.Command("losetup", "-d", device).Run() })
	if _, err := b.CreateVolume(t.Context(), engine.VolumeSpec{Name: "dev", Driver: "local",
		Options: map[string]string{"type": "ext4", "device": device}}); err != nil {
		t.Fatal(err)
	}
	objects := func() string {
		// Sorted: images of one second come in any order.
		ids := strings.Fields(b.d.CLI(t, "ps", "-aq") + "\n" + b.d.CLI(t, "image", "ls", "-aq"))
		slices.Sort(ids)
		return strings.Join(ids, " ")
	}
	before := objects()
	h, err := b.HelperMount(t.Context(), "dev", "run1")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(h.Path, "content")); err != nil || string(data) != "hello" {
		t.Errorf("content %q, %v", data, err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := os.Stat(filepath.Join(h.Path, "content")); !os.IsNotExist(err) {
		t.Errorf("still mounted: %v", err)
	}
	if after := objects(); after != before {
		t.Errorf("helper left something: %s, before %s", after, before)
	}
}

// forward serves an engine's socket at another address, as ssh does.
func forward(t *testing.T, network, endpoint string) string {
	t.Helper()
	socket, addr := strings.TrimPrefix(endpoint, "unix://"), "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "f")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		addr = filepath.Join(dir, "s")
	}
	l := listen(t, network, addr)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				in.Close()
				continue
			}
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	return network + "://" + l.Addr().String()
}
