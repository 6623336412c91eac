package drill

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// evil is a name that is markup, script, a formula of Markdown and a control sequence at once.
const evil = "<script>alert(1)</script>\x1b[2J|`*x*`[a](http://evil)\"'&\u202e"

// sampleReport is a report with something in every part of it.
func sampleReport() *Report {
	at := time.Date(2026, 11, 29, 3, 10, 0, 0, time.UTC)
	volume := Volume{Item: "volume/" + evil, Of: evil, Name: "davit-drill-v1", Bytes: 3 << 20, Entries: 12}
	return &Report{
		Kind: "drill", Version: ReportVersion, ID: "20261129t031000-abcdef", Host: "nas", Davit: "1.0", Job: "nightly", Scope: []string{evil},
		Engine:   EngineFacts{Version: "28.5.2", Storage: "overlay2", OS: "Debian GNU/Linux 12", Arch: "x86_64"},
		Snapshot: Snapshot{ID: "437b9a93b6f51ba7", Digest: "sha256:3282", Repository: "/srv/" + evil, Time: at.Add(-26 * time.Hour), Host: evil, Job: "nightly", Complete: true, Consistency: "pause", Engine: "28.5.2", Davit: "1.0"},
		Began:    at, Ended: at.Add(95 * time.Second), Seconds: 95, Verdict: Failed,
		RTO: Objective{Seconds: 61.2, Target: 1800, Met: true}, RPO: Objective{Seconds: 26 * 3600, Target: 24 * 3600},
		Phases:     []Phase{{"networks", 0.1}, {"images", 12}, {"volumes", 31.4}, {"containers", 17.7}},
		Volumes:    []VolumeReport{{Volume: volume, Files: 9, Chunks: 4, Restore: 31, Compare: 12, Result: Pass}},
		Images:     []ImageReport{{Image: Image{Name: evil, ID: "sha256:aa", Action: ImageLoad}, Result: Pass}},
		Containers: []Started{{Container: Container{Of: evil, Image: evil, Start: true, Changes: []string{"not privileged", evil}}, Ready: 4.2, Health: "healthy", Result: Fail}},
		Checks: []Check{
			{Name: "files", About: "volume/" + evil, Result: Pass, Detail: "all is what the snapshot says: 12 files and folders, 3145728 bytes; 4 chunks checked", Seconds: 43},
			{Name: "probe", About: "container/" + evil, Result: Fail, Detail: evil, Output: "line one\n" + evil + "\nline three", Seconds: 1},
			{Name: "probe", About: "container/cache", Result: Warning, Detail: "redis: it answers, and holds no keys"},
			{Name: "age of the data (RPO)", Result: Fail, Detail: "26h, target 24h"},
		},
		NotRehearsed: []NotRehearsed{{Item: "container/" + evil, Reason: "its image is neither in the snapshot nor here", Lost: true}},
		Notes:        []string{evil}, Removed: &Removed{Run: "x", Containers: 1, Volumes: 1, Networks: 1, Images: 1},
	}
}

// Names, outputs and paths are text in a page and in Markdown, whatever they hold.
func TestReportsEscape(t *testing.T) {
	dir := t.TempDir()
	for _, ext := range []string{".html", ".md"} {
		file := filepath.Join(dir, "report"+ext)
		if err := WriteFile(file, sampleReport()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, bad := range []string{"<script", "\x1b", "\u202e", "](http"} {
			for line := range strings.Lines(text) {
				// In a page this is no link, and in Markdown four spaces make a line a quotation.
				if strings.Contains(line, bad) && !(ext == ".html" && bad == "](http") && !(ext == ".md" && strings.HasPrefix(line, "    ") && bad[0] != '\x1b') {
					t.Errorf("%s holds %q: %s", ext, bad, line)
				}
			}
		}
		for _, want := range []string{"437b9a93b6f51ba7", "sha256:3282", "overlay2", "not privileged", "line three", "neither in the snapshot nor here"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not hold %q", ext, want)
			}
		}
	}
}

// A report as JSON reads back as it was; a file of another kind is refused before anything is written.
func TestReportJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	want := sampleReport()
	if err := WriteFile(file, want); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := &Report{}
	if err := json.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if got.Summary() != want.Summary() || got.Version != ReportVersion || !got.Snapshot.Time.Equal(want.Snapshot.Time) || got.Checks[1].Output != want.Checks[1].Output {
		t.Errorf("%+v", got)
	}
	if err := WriteFile(file+".pdf", want); err == nil {
		t.Error("a form that is not known was taken")
	}
}

// A report from before the state folder's newest is kept, killed ones are told, and files that are none do no harm.
func TestReports(t *testing.T) {
	state := t.TempDir()
	if list, err := Reports(state); err != nil || len(list) != 0 {
		t.Errorf("of nothing: %v, %v", list, err)
	}
	for i, v := range []Verdict{Passed, Running} {
		r := sampleReport()
		r.ID, r.Verdict = []string{"20261128t031000-aaaaaa", "20261129t031000-bbbbbb"}[i], v
		if err := writeReport(state, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder(state), "torn.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Reports(state)
	if err == nil || len(list) != 2 || list[0].Verdict != Killed || list[1].Verdict != Passed {
		t.Errorf("%v, %+v", err, list)
	}
	j, err := beginJournal(state, "20261129t031000-bbbbbb", "unix:///x")
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := Reports(state); list[0].Verdict != Running {
		t.Errorf("a drill that lives is called %s", list[0].Verdict)
	}
	if taken, err := adopt(j.Path()); taken != nil || err != nil {
		t.Errorf("the journal of a living drill was taken: %v, %v", taken, err)
	}
	if err := j.Done(); err != nil {
		t.Error(err)
	}
}
