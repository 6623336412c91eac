package drill

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/engine"
	"davit/engine/enginetest"
)

// shop is a project as compose makes it: a data service with a health check, and a web server that asks it by its name.
func (h *realHost) shop(t *testing.T) {
	t.Helper()
	h.ImportImage(t, "shop/data:1", []string{"LABEL " + LabelProbe + "=false"})
	h.CLI(t, "network", "create", "--label", labelProject+"=shop", "shop_net")
	h.CLI(t, "volume", "create", "--label", labelProject+"=shop", "shop_data")
	compose := func(service, needs string) []string {
		return []string{
			"--label", labelProject + "=shop", "--label", "com.docker.compose.service=" + service, "--label", "com.docker.compose.depends_on=" + needs,
			"--network", "shop_net", "--network-alias", service, "--restart", "unless-stopped",
		}
	}
	h.RunContainer(t, append(compose("data", ""), "--name", "shop-data-1", "-v", "shop_data:/data", "-p", "127.0.0.1:18080:8080",
		"--health-cmd", "test -e /tmp/up", "--health-interval", "1s", "shop/data:1",
		"sh", "-c", "mkdir -p /data/www; echo stock > /data/www/list; touch /tmp/up; exec httpd -f -p 8080 -h /data/www")...)
	h.RunContainer(t, append(compose("web", "data:service_healthy:true"), "--name", "shop-web-1", "-e", "SECRET=hush", "--init",
		"-v", filepath.Join(h.disk, "conf")+":/etc/conf:ro", "-v", filepath.Join(h.disk, "conf", "one.conf")+":/etc/one.conf:ro",
		"shop/data:1", "sh", "-c", "wget -q -O- http://data:8080/list || exit 1; exec sleep 3600")...)
}

// A drill of good data passes: files, images, containers that find each other by name, probes; a corrupt blob, a failing
// probe, and a target that is missed each make it fail. Whatever becomes of it, the host is as it was.
func TestDrill(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	conf := filepath.Join(h.disk, "conf")
	if err := errors.Join(os.Mkdir(conf, 0o755), os.WriteFile(filepath.Join(conf, "one.conf"), []byte("key=value\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	h.shop(t)
	h.save(t, backup.Selection{All: true})
	t.Run("passes", func(t *testing.T) { testPasses(t, h) })
	t.Run("fails", func(t *testing.T) { testFails(t, h) })
	t.Run("no room", func(t *testing.T) { testNoRoom(t, h) })
	if enginetest.Integration {
		t.Run("loads images", func(t *testing.T) { testLoads(t, h) })
		t.Run("interrupted", func(t *testing.T) { testInterrupted(t, h) })
	}
	t.Run("killed", func(t *testing.T) { testKilled(t, h) })
	t.Run("damage", func(t *testing.T) { testDamage(t, h) })
}

func testPasses(t *testing.T, h *realHost) {
	report, err := h.drill(t, Options{
		TargetRTO: time.Hour, TargetRPO: time.Hour, Timeout: time.Minute,
		Probes: []Probe{
			mustProbe(t, "shop-web-1=grep value /etc/one.conf && wget -q -O- http://data:8080/list"),
			mustProbe(t, "shop-data-1=test -s /data/www/list"),
		},
	})
	if err != nil || report.Verdict != Passed {
		t.Fatalf("%v: %+v", err, report)
	}
	for name, want := range map[string]int{"files": 3, "start": 2, "probe": 4, "container": 2, "image": 1, "clean-up": 1, "recovery time (RTO)": 1} {
		if got := report.find(name, ""); len(got) != want {
			t.Errorf("%d checks %q, want %d: %+v", len(got), name, want, report.Checks)
		}
	}
	if c := report.find("start", "container/shop-data-1"); len(c) != 1 || !strings.HasPrefix(c[0].Detail, "healthy") {
		t.Errorf("its health check was not waited for: %+v", c)
	}
	skipped := 0
	for _, c := range report.find("probe", "") {
		if c.Result == Skip {
			skipped++ // the label of the image, which would fail
		} else if c.Result != Pass {
			t.Errorf("%+v", c)
		}
	}
	if skipped != 2 || report.Removed == nil || report.Removed.Containers != 2 || report.RTO.Seconds <= 0 {
		t.Errorf("skipped %d, removed %+v, RTO %+v", skipped, report.Removed, report.RTO)
	}
	list, err := Reports(h.env.StateDir)
	if err != nil || len(list) != 1 || list[0].Verdict != Passed || list[0].ID != report.ID {
		t.Errorf("kept: %v, %+v", err, list)
	}
}

func mustProbe(t *testing.T, text string) Probe {
	t.Helper()
	p, err := ParseProbe(text, FromFlag)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testFails(t *testing.T, h *realHost) {
	type failure struct {
		options Options
		check   string
		detail  string
	}
	tests := map[string]failure{
		"a failing probe": {Options{Timeout: time.Minute, Patience: 20 * time.Second, Probes: []Probe{mustProbe(t, "shop-data-1=echo no; exit 3")}}, "probe", "ended with exit code 3: no"},
	}
	if enginetest.Integration {
		tests["too slow"] = failure{Options{TargetRTO: time.Nanosecond}, "recovery time (RTO)", "target"}
		tests["a probe that hangs in the end"] = failure{Options{Timeout: 10 * time.Second, Probes: []Probe{
			mustProbe(t, "shop-web-1=mkdir /tmp/asked && echo no && exit 3; sleep 60"),
		}}, "probe", "ended with exit code 3: no; asked once more, it did not end in time"}
		tests["too old"] = failure{Options{TargetRPO: time.Nanosecond}, "age of the data (RPO)", "target"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			report, err := h.drill(t, test.options)
			var failed *FailedError
			if !errors.As(err, &failed) || report.Verdict != Failed {
				t.Fatalf("%v: %+v", err, report)
			}
			wrong := 0
			for _, c := range report.Checks {
				if c.Result == Fail {
					wrong++
					if c.Name != test.check || !strings.Contains(c.Detail, test.detail) {
						t.Errorf("%+v", c)
					}
				}
			}
			if wrong != 1 {
				t.Errorf("%d checks failed: %+v", wrong, report.Checks)
			}
		})
	}
}

// smallEngine has its data on another disk than it says.
type smallEngine struct {
	Engine
	dataRoot string
}

func (e smallEngine) Info(ctx context.Context) (engine.Info, error) {
	info, err := e.Engine.Info(ctx)
	info.DataRoot = e.dataRoot
	return info, err
}

// Without room nothing is made.
func testNoRoom(t *testing.T, h *realHost) {
	small := smallEngine{h.eng, enginetest.DiskOf(t, 4<<20, "mkfs.ext4", "-q", "-F", "-b", "1024")}
	before := h.everything(t)
	plan, err := Make(t.Context(), h.env, small, Options{Spec: "latest"})
	if err != nil || len(plan.Refused) == 0 {
		t.Fatalf("%v, room %+v", err, plan)
	}
	report, err := Run(t.Context(), h.env, h.eng, plan)
	var refused *backup.RefusedError
	if !errors.As(err, &refused) || report != nil || !strings.Contains(err.Error(), "no room at "+small.dataRoot) {
		t.Errorf("%v", err)
	}
	if after := h.everything(t); after != before || Left(h.env.StateDir) {
		t.Errorf("the host is not as it was:\n%s\nnow:\n%s", before, after)
	}
}

// An image that is not here any more is loaded under a tag of the drill's own, and goes again; the tag that has moved to
// another image meanwhile stays there.
func testLoads(t *testing.T, h *realHost) {
	h.CLI(t, "rm", "-f", "shop-web-1", "shop-data-1")
	h.CLI(t, "rmi", "shop/data:1")
	h.ImportImage(t, "shop/data:1", []string{"LABEL other=1"})
	report, err := h.drill(t, Options{})
	if err != nil {
		t.Fatalf("%v: %+v", err, report)
	}
	if report.Removed.Images != 1 || report.find("image", "")[0].Detail != "loaded from the snapshot" {
		t.Errorf("%+v, %+v", report.Removed, report.Images)
	}
}
