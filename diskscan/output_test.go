package diskscan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// sumNCDU adds up an export: dsize of everything, files with several links once.
func sumNCDU(t *testing.T, list []any, seen map[float64]bool) (bytes int64, entries int) {
	t.Helper()
	for _, item := range list {
		if sub, ok := item.([]any); ok {
			b, n := sumNCDU(t, sub, seen)
			bytes, entries = bytes+b, entries+n
			continue
		}
		info := item.(map[string]any)
		if info["excluded"] != nil {
			continue
		}
		entries++
		if info["hlnkc"] == true {
			if seen[info["ino"].(float64)] {
				entries--
				continue
			}
			seen[info["ino"].(float64)] = true
		}
		bytes += int64(info["dsize"].(float64))
	}
	return bytes, entries
}

// An export holds the tree with the sums of du, and ncdu itself reads it.
func TestExportNCDU(t *testing.T) {
	dir := t.TempDir()
	enginetest.BuildTree(t, dir)
	must(t, os.WriteFile(filepath.Join(dir, "quote\"back\\slash\x1b[31m\n\xff"), []byte("x"), 0o600))
	syncDisk(t, dir)
	var out bytes.Buffer
	must(t, diskscan.ExportNCDU(t.Context(), &out, dir, time.Now()))
	var doc []any
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	gotBytes, gotEntries := sumNCDU(t, doc[3].([]any), map[float64]bool{})
	if wantBytes, wantEntries := du(t, dir); gotBytes != wantBytes || int64(gotEntries) != wantEntries {
		t.Errorf("%d bytes in %d entries, du says %d in %d", gotBytes, gotEntries, wantBytes, wantEntries)
	}
}

// hostileReport has names that want to be markup, script and escape sequences.
func hostileReport(t *testing.T) *diskscan.Report {
	t.Helper()
	root := t.TempDir()
	makeDataRoot(t, root)
	evil := filepath.Join(root, "volumes/data/_data/<img src=x onerror=document.title='owned'>\x1b[31m<!--")
	must(t, os.WriteFile(evil, make([]byte, 800_000), 0o600))
	s := &diskscan.Survey{Paths: []string{root}, Now: time.Now, Host: "</title><script>document.title='owned'</script>"}
	r := s.Start()
	s.Attribute(t.Context(), r)
	must(t, s.Scan(t.Context(), r, diskscan.ScanOptions{Top: 20, Folders: true}))
	return r
}

func typed(words []string) string { return strings.Join(append([]string{"davit"}, words...), " ") }

// The page holds no markup that came from a name, and nothing from elsewhere.
func TestHTMLEscapes(t *testing.T) {
	var out bytes.Buffer
	must(t, diskscan.WriteHTML(&out, hostileReport(t), typed))
	html := out.String()
	for _, bad := range []string{"<img", "<script>document", "<script>alert", "\x1b", "http://", "https://", "src=\""} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Count(html, "<script>") != 1 || !strings.Contains(html, `\u003cscript\u003ealert(1)`) {
		t.Error("the data is not where it belongs")
	}
}

// Growth is told since the last saved scan of the same paths; the file stays small.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	must(t, os.Mkdir(data, 0o755))
	h := diskscan.History{Path: filepath.Join(dir, "state", "diskscan.json")}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := func(path string) *diskscan.Report {
		at = at.Add(time.Hour)
		s := &diskscan.Survey{Paths: []string{path}, Now: func() time.Time { return at }}
		r := s.Start()
		s.Attribute(t.Context(), r)
		must(t, s.Scan(t.Context(), r, diskscan.ScanOptions{}))
		must(t, h.Compare(r))
		return r
	}
	if first := look(data); first.Since != nil {
		t.Error("growth since nothing")
	}
	must(t, h.Save(look(dir)))
	must(t, h.Save(look(data)))
	must(t, os.WriteFile(filepath.Join(data, "file"), make([]byte, 100_000), 0o600))
	if r := look(data); r.Since == nil || *r.Owners[0].Growth < 100_000 || *r.Owners[0].Growth > 110_000 {
		t.Errorf("growth %+v", r.Owners)
	}
	for range 40 {
		must(t, h.Save(look(data)))
	}
	saved := strings.Count(readFile(t, h.Path), `"time"`)
	if saved != 24 {
		t.Errorf("%d scans are kept", saved)
	}
	must(t, os.WriteFile(h.Path, []byte("no json"), 0o600))
	if err := h.Save(look2(t, data)); err == nil {
		t.Error("a history that is none was replaced")
	}
}

func look2(t *testing.T, path string) *diskscan.Report {
	return survey(t, &diskscan.Survey{Paths: []string{path}})
}

// A full disk is not made fuller by the history.
func TestHistoryOnFullDisk(t *testing.T) {
	disk := enginetest.Disk(t, 8<<20)
	h := diskscan.History{Path: filepath.Join(disk, "state", "diskscan.json")}
	if err := h.Save(look2(t, disk)); err == nil || !strings.Contains(err.Error(), "room") {
		t.Errorf("error %v", err)
	}
}

// What grows between two scans has a speed, and the file system a time until it is full.
func TestCompare(t *testing.T) {
	disk := enginetest.Disk(t, 32<<20)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := func() *diskscan.Report {
		s := &diskscan.Survey{Paths: []string{disk}, Now: func() time.Time { return at }}
		r := s.Start()
		s.Attribute(t.Context(), r)
		must(t, s.Scan(t.Context(), r, diskscan.ScanOptions{}))
		return r
	}
	before := look()
	was, _ := du(t, disk)
	must(t, os.WriteFile(filepath.Join(disk, "file"), make([]byte, 10<<20), 0o600))
	syncDisk(t, disk)
	is, _ := du(t, disk) // a file in many pieces takes a block more
	at = at.Add(10 * time.Second)
	g := diskscan.Compare(before, look())
	if want := (is - was) / 10; want < 1<<20 || g.Total != want || len(g.Owners) != 1 || g.Owners[0].BytesPerSecond != want {
		t.Errorf("growing %+v, want %d", g, want)
	}
	if fs := g.FileSystems[0]; fs.SecondsUntilFull == nil || *fs.SecondsUntilFull < 10 || *fs.SecondsUntilFull > 22 {
		t.Errorf("file system %+v", fs)
	}
}

func syncDisk(t testing.TB, dir string) {
	t.Helper()
	if out, err := exec.Command("sync", "-f", dir).CombinedOutput(); err != nil {
		t.Fatal(fmt.Sprint(err, strconv.Quote(string(out))))
	}
}
