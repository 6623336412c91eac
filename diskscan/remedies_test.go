package diskscan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// What is said to be freed is what du then misses: unused images, stopped containers and unused volumes, of which the
// commands are run as they are given.
func TestRemediesFreeWhatTheySay(t *testing.T) {
	for name, options := range enginetest.Kinds() {
		t.Run(name, func(t *testing.T) {
			d := enginetest.StartDockerd(t, options)
			fill(t, d)
			d.BuildLayers(t, "unused:1", "base:1", "head -c 1500000 /dev/urandom > /big")
			d.CLI(t, "run", "--name", "stopped", "app:2", "head", "-c", "600000", "/dev/zero")
			d.CLI(t, "run", "--rm", "-v", "left:/data", "app:2", "sh", "-c", "head -c 450000 /dev/urandom > /data/x")
			stores := diskscan.StoresAt(d.DataRoot, d.ContainerdRoot)
			for _, first := range []string{"rm", "image", "volume"} {
				report := survey(t, &diskscan.Survey{Stores: stores})
				i := slices.IndexFunc(report.Free, func(m diskscan.Remedy) bool { return len(m.Command) > 0 && m.Command[0] == first })
				if i < 0 {
					t.Fatalf("nothing to free by %s in %+v", first, report.Free)
				}
				m := report.Free[i]
				d.CLI(t, m.Command...)
				freed := int64(0)
				waitFor(t, strings.Join(m.Command, " "), func() bool { // containerd collects in the background
					freed = report.Total.Bytes - survey(t, &diskscan.Survey{Stores: stores}).Total.Bytes
					return near(freed, m.Bytes)
				})
				t.Logf("%s: %d bytes said, %d freed", strings.Join(m.Command, " "), m.Bytes, freed)
			}
		})
	}
}

// near allows for what the engine writes meanwhile: its databases, and folders that shrink.
func near(got, want int64) bool { return got > want-want/10-100_000 && got < want+want/10+200_000 }

// A log that grows and a file that is deleted and still open are found by their containers' names; restarting the one
// and emptying the other frees them.
func TestDeletedOpenAndLogs(t *testing.T) {
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{Version: "28.5"})
	d.MakeImage(t, "base:1")
	d.RunContainer(t, "--name", "holder", "-v", "vol:/data", "base:1", "sh", "-c",
		"exec 3>/data/gone 4>/tmp/inside; head -c 2000000 /dev/zero >&3; head -c 1000000 /dev/zero >&4; rm /data/gone /tmp/inside; while :; do sleep 1; done")
	noisy := d.RunContainer(t, "--name", "noisy", "base:1", "sh", "-c",
		"while :; do echo a line of the log that is long enough to fill something; sleep 0.01; done")
	d.RunContainer(t, "--name", "rotated", "--log-opt", "max-size=20k", "--log-opt", "max-file=2", "base:1", "sh", "-c",
		"while :; do echo a line of the log that is long enough to fill something; sleep 0.001; done")
	report := &diskscan.Report{}
	waitFor(t, "two deleted files of holder", func() bool {
		report = survey(t, &diskscan.Survey{Stores: diskscan.StoresAt(d.DataRoot, "")})
		found := 0
		for _, f := range report.DeletedOpen {
			if f.Container == "holder" && (strings.HasSuffix(f.Path, "/gone") && f.Bytes >= 2_000_000 ||
				strings.HasSuffix(f.Path, "/inside") && f.Bytes >= 1_000_000) {
				found++
			}
		}
		return found == 2
	})
	if !slices.ContainsFunc(report.Free, func(m diskscan.Remedy) bool {
		return slices.Equal(m.Command, []string{"restart", "holder"}) && m.Bytes >= 2_000_000
	}) {
		t.Errorf("no restart of holder in %+v", report.Free)
	}
	logs := map[string]diskscan.LogFile{}
	waitFor(t, "the logs", func() bool {
		list, problems := diskscan.Logs(d.DataRoot, nil)
		for _, l := range list {
			logs[l.Container] = l
		}
		rotated := logs["rotated"]
		return len(problems) == 0 && logs["noisy"].Bytes > 50_000 && rotated.Limited && strings.Contains(rotated.Refused, "rotated")
	})
	if l := logs["noisy"]; l.Limited || l.Refused != "" {
		t.Errorf("noisy: %+v", l)
	}
	truncateNoisy(t, d, noisy)
}

func truncateNoisy(t *testing.T, d *enginetest.Dockerd, id string) {
	logs, _ := diskscan.Logs(d.DataRoot, nil)
	if _, err := diskscan.PlanTruncate(logs, []string{"rotated"}, 0, ""); err == nil {
		t.Error("a rotated log may be truncated")
	}
	if _, err := diskscan.PlanTruncate(logs, []string{"noisy"}, 1000, d.Dir); err == nil || !strings.Contains(err.Error(), "same file system") {
		t.Errorf("the end is kept on the same file system: %v", err)
	}
	elsewhere := enginetest.Disk(t, 16<<20)
	plan, err := diskscan.PlanTruncate(logs, []string{id[:12], "noisy"}, 1000, elsewhere)
	must(t, err)
	done, err := plan.Apply(time.Now())
	must(t, err)
	if len(done) != 1 || done[0].Freed < 40_000 {
		t.Fatalf("done: %+v", done)
	}
	kept := readFile(t, done[0].Kept)
	if len(kept) > 1000 || len(kept) < 800 || !strings.HasPrefix(kept, `{"log":"a line`) || !strings.HasSuffix(kept, "}\n") {
		t.Errorf("kept %q", kept)
	}
	waitFor(t, "new lines in the log", func() bool { return strings.Count(d.CLI(t, "logs", "noisy"), "a line") > 20 })
	list, _ := diskscan.Logs(d.DataRoot, nil)
	for _, l := range list {
		if l.Container == "noisy" && strings.ContainsRune(readFile(t, l.Path), 0) {
			t.Error("the log has zeros")
		}
	}
}
