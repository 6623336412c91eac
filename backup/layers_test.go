package backup

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// Writable layers are saved when asked for, and named when they are large and are not. Labels of the
// image leave nothing out, those of a container and a volume do.
func TestLayersAndLabels(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.ImportImage(t, "lure:1", []string{"LABEL " + LabelBackup + "=false"})
	h.MakeImage(t, "plain:1")
	h.RunContainer(t, "--name", "writer", "-v", "kept:/data", "lure:1")
	h.RunContainer(t, "--name", "scratch", "--label", LabelBackup+"=false", "-v", "/anon", "-v", h.dir+":/scratch", "plain:1")
	h.CLI(t, "volume", "create", "--label", LabelBackup+"=false", "junk")
	h.CLI(t, "exec", "writer", "sh", "-c", "dd if=/dev/zero of=/large bs=1M count=12 && echo mine > /etc/mine")

	report := create(t, h.env, CreateOptions{})
	if len(report.Layers) != 1 || report.Layers[0].Container != "writer" || report.Layers[0].Bytes < 12<<20 {
		t.Errorf("unsaved layers: %+v", report.Layers)
	}
	var saved, skipped []string
	for _, it := range report.Items {
		saved = append(saved, it.Ref())
	}
	for _, s := range report.Skipped {
		skipped = append(skipped, s.Kind+" "+s.Reason)
	}
	for _, want := range []string{"container/writer", "volume/kept", "image/lure%3A1", "definition/volume%2Fkept"} {
		if !slices.Contains(saved, want) {
			t.Errorf("%s is not saved: %q", want, saved)
		}
	}
	for _, ref := range saved {
		if strings.Contains(ref, "scratch") || strings.Contains(ref, "junk") || strings.HasPrefix(ref, "bind/") {
			t.Errorf("%s is saved", ref)
		}
	}
	if len(skipped) != 3 {
		t.Errorf("skipped: %q, want the container, its anonymous volume and the volume", skipped)
	}

	report = create(t, h.env, CreateOptions{Selection: Selection{Containers: []string{"writer"}, RWLayers: true}})
	if len(report.Layers) != 0 {
		t.Errorf("a saved layer is named as unsaved: %+v", report.Layers)
	}
	if got := read(t, restoreTo(t, h.env, "latest:rw-layer/writer//etc/mine")+"/mine"); got != "mine\n" {
		t.Errorf("the layer's file holds %q", got)
	}

	// The first snapshot does not hold the layer: a restore says so.
	list, err := List(context.Background(), h.env.Repo, Query{})
	if err != nil || len(list) != 2 {
		t.Fatalf("snapshots: %+v, %v", list, err)
	}
	h.CLI(t, "rm", "--force", "writer", "scratch")
	h.CLI(t, "volume", "rm", "kept")
	restored := h.restore(t, RestoreOptions{Spec: list[1].ID, Containers: true})
	if len(restored.Layers) != 1 || restored.Layers[0].Container != "writer" {
		t.Errorf("restore names %+v", restored.Layers)
	}
	if got := h.CLI(t, "inspect", "--format", "{{.State.Status}}", "writer"); got != "created" {
		t.Errorf("without --start the container is %s", got)
	}
}

// A compose project goes out with its files and comes back in order, and its containers are held together.
func TestProject(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.MakeImage(t, "base:1")
	write(t, h.dir+"/shop/compose.yaml", "services: {web: {image: base:1}, db: {image: base:1}}\n")
	write(t, h.dir+"/shop/.env", "PGPASS=hunter2\n")
	h.CLI(t, "network", "create", "--label", composePrefix+"project=shop", "shop_default")
	service := func(name, depends string) []string {
		args := []string{"--name", "shop-" + name + "-1", "--network", "shop_default", "-v", "shop_data:/data",
			"--env", "PGPASS=hunter2"}
		for _, l := range []string{"project=shop", "service=" + name, "container-number=1", "depends_on=" + depends,
			"project.working_dir=" + h.dir + "/shop", "project.config_files=" + h.dir + "/shop/compose.yaml"} {
			args = append(args, "--label", composePrefix+l)
		}
		return append(args, "base:1")
	}
	h.RunContainer(t, service("db", "")...)
	h.RunContainer(t, service("web", "db:service_started:false")...)
	h.RunContainer(t, "--name", "other", "-v", "other:/data", "base:1")

	report := create(t, h.env, CreateOptions{Selection: Selection{Projects: []string{"shop"}}, Consistency: ConsistencyStop})
	if len(report.Freezes) != 1 || !slices.Equal(report.Freezes[0].Containers, []string{"shop-db-1", "shop-web-1"}) {
		t.Errorf("held: %+v", report.Freezes)
	}
	for _, it := range report.Items {
		if strings.Contains(it.Name, "other") {
			t.Errorf("%s is not of the project", it.Ref())
		}
	}
	shown, err := Show(context.Background(), h.env, ShowOptions{Spec: "latest:definition/" + EncodeName("file/"+h.dir+"/shop/.env")})
	if err != nil || strings.Contains(string(shown.Contents[0].Document), "hunter2") {
		t.Errorf("the .env file is shown as %+v, %v", shown, err)
	}
	shown, err = Show(context.Background(), h.env, ShowOptions{Spec: "latest:container/shop-db-1"})
	if err != nil || strings.Contains(string(shown.Contents[0].Document), "hunter2") {
		t.Errorf("the container's secret is shown: %v", err)
	}
	shown, err = Show(context.Background(), h.env, ShowOptions{Spec: "latest:container/shop-db-1", Secrets: true})
	if err != nil || !strings.Contains(string(shown.Contents[0].Document), "hunter2") {
		t.Errorf("the container's secret is not shown when asked for: %v", err)
	}
	h.CLI(t, "rm", "--force", "shop-web-1", "shop-db-1")
	h.CLI(t, "volume", "rm", "shop_data")
	h.CLI(t, "network", "rm", "shop_default")
	composed := h.dir + "/composed"
	o := RestoreOptions{Spec: "latest", Start: true, ComposeFiles: composed}
	restored := h.restore(t, o)
	h.composeFiles(t, o)
	var order []string
	for _, s := range restored.Steps {
		if s.Action == ActionStartContainer {
			order = append(order, s.Name)
		}
	}
	if !slices.Equal(order, []string{"shop-db-1", "shop-web-1"}) {
		t.Errorf("started in the order %q", order)
	}
	h.restoredAgain(t, o)
}

// composeFiles proves that compose files came back below a folder of the project's name, readable for nobody else, and at
// their old place as they were; and that others are left alone.
func (h *realHost) composeFiles(t *testing.T, o RestoreOptions) {
	t.Helper()
	for name, content := range map[string]string{"compose.yaml": "services: {web: {image: base:1}, db: {image: base:1}}\n", ".env": "PGPASS=hunter2\n"} {
		path := o.ComposeFiles + "/shop/" + name
		if read(t, path) != content {
			t.Errorf("%s holds %q", path, read(t, path))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	must(t, os.Chmod(h.dir+"/shop/.env", 0o640))
	create(t, h.env, CreateOptions{Selection: Selection{Projects: []string{"shop"}}})
	must(t, os.RemoveAll(h.dir+"/shop"))
	in := RestoreOptions{Spec: "latest", Only: []string{KindDefinition}, ComposeInPlace: true}
	h.restore(t, in)
	if info, err := os.Stat(h.dir + "/shop/.env"); err != nil || info.Mode().Perm() != 0o640 || read(t, h.dir+"/shop/.env") != "PGPASS=hunter2\n" {
		t.Errorf("the .env at its old place: %v, %v", info, err)
	}
	write(t, h.dir+"/shop/compose.yaml", "services: {}\n")
	plan, err := PlanRestore(context.Background(), h.env, in)
	if err != nil || len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Reason, "shop/compose.yaml exists with other content") {
		t.Errorf("another compose.yaml: %+v, %v", plan, err)
	}
	left, err := filepath.Glob(o.ComposeFiles + "/shop/.davit*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// restoredAgain proves that a second run leaves what the first one made, also what has changed since.
func (h *realHost) restoredAgain(t *testing.T, o RestoreOptions) {
	t.Helper()
	list, err := List(context.Background(), h.env.Repo, Query{})
	if err != nil {
		t.Fatal(err)
	}
	o.Spec = list[len(list)-1].ID // the one that was restored
	mount := h.CLI(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "shop_data")
	write(t, mount+"/since", "written since")
	for _, s := range h.restore(t, o).Steps {
		if s.Action != ActionKeep && s.Action != ActionStartContainer {
			t.Errorf("done again: %s %s", s.Action, s.Ref())
		}
	}
	if read(t, mount+"/since") != "written since" {
		t.Error("the volume was restored again")
	}
	plan, err := PlanRestore(context.Background(), h.env, RestoreOptions{Spec: o.Spec + ":volume/shop_data"})
	if err != nil || len(plan.Refused) != 1 {
		t.Errorf("who names the volume is told that it holds data: %+v, %v", plan, err)
	}
	h.CLI(t, "rm", "--force", "shop-web-1")
	h.CLI(t, "create", "--name", "shop-web-1", "base:1")
	h.CLI(t, "rm", "--force", "shop-db-1")
	h.CLI(t, "network", "rm", "shop_default")
	h.CLI(t, "network", "create", "--internal", "shop_default")
	plan, err = PlanRestore(context.Background(), h.env, o)
	if err != nil || len(plan.Refused) != 2 || !strings.Contains(plan.Refused[0].Reason, "internal true, saved with false") ||
		!strings.Contains(plan.Refused[1].Reason, "exists already") {
		t.Errorf("conflicts: %+v, %v", plan.Refused, err)
	}
}
