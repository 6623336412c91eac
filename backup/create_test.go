package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"davit/backup/repo"
	"davit/engine/enginetest"
)

func create(t *testing.T, env *Env, o CreateOptions) *Report {
	t.Helper()
	report, err := tryCreate(env, o)
	if err != nil {
		t.Fatalf("create: %v: %+v", err, report)
	}
	return report
}

func tryCreate(env *Env, o CreateOptions) (*Report, error) {
	plan, err := PlanCreate(context.Background(), env, o)
	if err != nil {
		return nil, err
	}
	return ApplyCreate(context.Background(), env, plan)
}

func restoreTo(t *testing.T, env *Env, spec string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: spec, To: dir})
	if err != nil {
		t.Fatalf("plan restore of %s: %v", spec, err)
	}
	if _, err := ApplyRestore(context.Background(), env, plan); err != nil {
		t.Fatalf("restore %s: %v", spec, err)
	}
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A path goes out and comes back whole without any engine, and the second run stores nothing new.
func TestPathRoundTrip(t *testing.T) {
	enginetest.NeedRoot(t)
	src := enginetest.Disk(t, 1<<30) + "/src"
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	enginetest.BuildTree(t, src)
	before, err := enginetest.DescribeTree(src)
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv(t, nil)
	env.CacheDir = t.TempDir()
	report := create(t, env, CreateOptions{Selection: Selection{Paths: []string{src}}})
	if !report.Complete || report.Totals.Files == 0 || report.Totals.BytesNew == 0 {
		t.Errorf("first run: %+v", report.Totals)
	}
	after, err := enginetest.DescribeTree(restoreTo(t, env, "latest:path/"+EncodeName(src)))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range before.Diff(after) {
		t.Error(line)
	}
	again := create(t, env, CreateOptions{Selection: Selection{Paths: []string{src}}})
	if again.Totals.BytesNew != 0 {
		t.Errorf("second run stored %d new bytes", again.Totals.BytesNew)
	}
	if again.Snapshot == report.Snapshot {
		t.Error("both runs have the same snapshot")
	}
}

// What a disk changed by itself is named, once.
func TestSilentChange(t *testing.T) {
	disk := enginetest.Disk(t, 64<<20)
	src := disk + "/src"
	for i := range 20 {
		write(t, fmt.Sprintf("%s/file%d", src, i), fmt.Sprintf("mark %d. %s", i, strings.Repeat("content ", 1000)))
	}
	env := testEnv(t, nil)
	env.CacheDir = t.TempDir()
	env.Now = func() time.Time { return time.Now().Add(time.Hour) } // all times of files are trusted
	options := CreateOptions{Selection: Selection{Paths: []string{src}}}
	create(t, env, options)
	enginetest.Rot(t, disk, src+"/file7", []byte("mark 7."))
	if report := create(t, env, options); !report.Complete || report.Totals.BytesRead != 0 {
		t.Errorf("a run that trusts times: %+v", report)
	}
	options.Reread = 1
	report, err := tryCreate(env, options)
	var partial *PartialError
	if !errors.As(err, &partial) || len(report.Problems) != 1 || report.Problems[0].Path != "file7" {
		t.Errorf("a run that reads again: %v, %+v", err, report)
	}
	if report := create(t, env, options); len(report.Problems) != 0 {
		t.Errorf("the run after it: %+v", report)
	}
}

// A single file is an item of its own: nothing beside it is saved, nor touched when it comes back.
func TestSingleFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/app.conf", "listen 80\n")
	write(t, dir+"/secret", "not selected\n")
	env := testEnv(t, nil)
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir + "/app.conf"}}})
	out := restoreTo(t, env, "latest:path/"+EncodeName(dir+"/app.conf"))
	if got := read(t, out+"/app.conf"); got != "listen 80\n" {
		t.Errorf("content is %q", got)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 1 {
		t.Errorf("restored %v, %v; want one file", entries, err)
	}
	if err := os.Remove(dir + "/app.conf"); err != nil {
		t.Fatal(err)
	}
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: "latest"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ApplyRestore(context.Background(), env, plan); err != nil {
		t.Fatal(err)
	}
	if read(t, dir+"/app.conf") != "listen 80\n" || read(t, dir+"/secret") != "not selected\n" {
		t.Error("the file did not come back beside its neighbour")
	}
}

// A slower level takes less room, and all of them restore.
func TestCompressionLevels(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	for _, path := range sources {
		text.WriteString(read(t, path))
	}
	write(t, dir+"/file", text.String())
	var last int64
	for _, level := range []Compression{CompressionMax, CompressionBetter, CompressionDefault, CompressionFastest} {
		env := testEnv(t, nil)
		report := create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}}, Compression: level})
		if report.Totals.Stored <= last {
			t.Errorf("%s stores %d bytes, the slower level %d", level, report.Totals.Stored, last)
		}
		last = report.Totals.Stored
		if read(t, restoreTo(t, env, "latest:path/"+EncodeName(dir))+"/file") != text.String() {
			t.Errorf("%s: the file is another", level)
		}
	}
	if _, err := tryCreate(testEnv(t, nil), CreateOptions{Selection: Selection{Paths: []string{dir}}, Compression: "much"}); err == nil {
		t.Error("an unknown level is accepted")
	}
}

// What a pattern excludes is not in the snapshot.
func TestExclude(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/keep/a", "a")
	write(t, dir+"/cache/b", "b")
	write(t, dir+"/keep/c.tmp", "c")
	env := testEnv(t, nil)
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{dir}, Exclude: []string{"/cache", "*.tmp"}}})
	var got []string
	err := Files(context.Background(), env, "latest:path/"+EncodeName(dir), Query{}, func(f FileInfo) error {
		got = append(got, f.Path)
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"", "keep", "keep/a"}) {
		t.Errorf("files: %q, %v", got, err)
	}
}

// Bad input is refused before anything is written.
func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	for _, tc := range []struct {
		name string
		o    func(env *Env) CreateOptions
		want string
	}{
		{"a path that is not there", func(*Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{dir + "/nope"}}}
		}, "no such path on this host"},
		{"the repository itself", func(env *Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{env.Repo.Dir()}}}
		}, "lies inside the data being saved"},
		{"a folder around the repository", func(env *Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{filepath.Dir(env.Repo.Dir())}}}
		}, "lies inside the data being saved"},
		{"a folder in the repository", func(env *Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{env.Repo.Dir() + "/blobs"}}}
		}, "lies inside the data being saved"},
		{"an engine that is not there", func(*Env) CreateOptions {
			return CreateOptions{Selection: Selection{Volumes: []string{"x"}}}
		}, "needs an engine"},
		{"an unknown consistency", func(*Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{dir}}, Consistency: "warm"}
		}, "unknown --consistency"},
		{"a bad pattern", func(*Env) CreateOptions {
			return CreateOptions{Selection: Selection{Paths: []string{dir}, Exclude: []string{"[a"}}}
		}, "--exclude [a"},
	} {
		env := testEnv(t, nil)
		_, err := tryCreate(env, tc.o(env))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if list, err := List(context.Background(), env.Repo, Query{}); err != nil || len(list) != 0 {
			t.Errorf("%s left snapshots: %v, %v", tc.name, list, err)
		}
	}
}

// A cancelled run publishes nothing.
func TestCreateCancelled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "x")
	env := testEnv(t, nil)
	plan, err := PlanCreate(context.Background(), env, CreateOptions{Selection: Selection{Paths: []string{dir}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := ApplyCreate(ctx, env, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if list, err := List(context.Background(), env.Repo, Query{}); err != nil || len(list) != 0 {
		t.Errorf("snapshots: %v, %v", list, err)
	}
}

// A repository whose disk fills up says so, publishes nothing, and is whole.
func TestCreateOnFullDisk(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	noise := make([]byte, 4<<20)
	for i := range 16 {
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		write(t, fmt.Sprintf("%s/%d", src, i), string(noise))
	}
	for _, size := range []int64{24 << 20, 64 << 20} { // refused before, and failing on the way
		disk := enginetest.Disk(t, size)
		env := testEnv(t, nil)
		r, err := repo.Init(disk+"/repo", repo.Options{Host: "testhost"})
		if err != nil {
			t.Fatal(err)
		}
		env.Repo = r
		_, err = tryCreate(env, CreateOptions{Selection: Selection{Paths: []string{src}}})
		var refused *RefusedError
		if !errors.As(err, &refused) && !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if list, err := List(context.Background(), r, Query{}); err != nil || len(list) != 0 {
			t.Errorf("%d bytes: snapshots: %v, %v", size, list, err)
		}
		if report, err := Verify(context.Background(), env, VerifyOptions{}); err != nil || report.Err() != nil {
			t.Errorf("%d bytes: verify: %+v, %v", size, report, err)
		}
		must(t, r.Close())
	}
}

// A restore that does not fit is refused before anything is written.
func TestRestoreWithoutRoom(t *testing.T) {
	enginetest.NeedRoot(t)
	src := t.TempDir()
	write(t, src+"/f", strings.Repeat("x", 40<<20))
	env := testEnv(t, nil)
	create(t, env, CreateOptions{Selection: Selection{Paths: []string{src}}})
	dir := enginetest.Disk(t, 32<<20) + "/out"
	plan, err := PlanRestore(context.Background(), env, RestoreOptions{Spec: "latest:path/" + EncodeName(src), To: dir})
	if err != nil || len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Reason, "no room") {
		t.Errorf("plan: %+v, %v", plan, err)
	}
}
