package daemonjson

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"davit/engine/enginetest"
)

// Owner, mode and extended attributes outlive an edit, and a symlink stays one.
func TestSaveKeepsWhatTheFileIs(t *testing.T) {
	enginetest.NeedRoot(t)
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "daemon.json")
	write(t, path, `{"a": 1}`)
	for _, err := range []error{
		os.Symlink("real.json", link), os.Chown(path, 1234, 4321), os.Chmod(path, 0o604),
		unix.Setxattr(path, "security.test", []byte("label"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f := load(t, link)
	if err := errors.Join(f.Set(2, "a"), f.Save()); err != nil {
		t.Fatal(err)
	}
	if target, _ := os.Readlink(link); target != "real.json" {
		t.Errorf("the link leads to %q", target)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	label := make([]byte, 100)
	n, _ := unix.Getxattr(path, "security.test", label)
	if info.Mode() != 0o604 || st.Uid != 1234 || st.Gid != 4321 || string(label[:max(n, 0)]) != "label" {
		t.Errorf("mode %v, owner %d:%d, label %q", info.Mode(), st.Uid, st.Gid, label[:max(n, 0)])
	}
	if got, _ := os.ReadFile(path); string(got) != `{"a": 2}` {
		t.Errorf("holds %s", got)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// What somebody else wrote meanwhile is not lost.
func TestSaveRefusesAChangedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "daemon.json")
	absent := load(t, path)
	if err := errors.Join(absent.Set(1, "a"), absent.Save()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(){
		"changed": func() { write(t, path, `{"b": 1}`) },
		"removed": func() { os.Remove(path) },
	} {
		write(t, path, `{"a": 1}`)
		f := load(t, path)
		change()
		if err := errors.Join(f.Set(2, "a"), f.Save()); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	write(t, path, `{"b": 1}`)
	again := &File{path: path, target: path}
	if err := errors.Join(again.Set(2, "a"), again.Save()); !errors.Is(err, ErrChanged) {
		t.Errorf("appeared: error is %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != `{"b": 1}` {
		t.Errorf("holds %s", got)
	}
}

func TestSymlinkToNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	if err := os.Symlink("nowhere", path); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "symlink to nothing") {
		t.Errorf("error is %v", err)
	}
}

// Flags in all the ways that dockerd takes them.
func TestFlags(t *testing.T) {
	for _, c := range []struct {
		args string
		want []Flag
	}{
		{"dockerd", nil},
		{"dockerd -H fd:// --containerd=/run/c.sock", []Flag{{"hosts", "fd://"}, {"containerd", "/run/c.sock"}}},
		{"dockerd --debug --data-root /x", []Flag{{"debug", "true"}, {"data-root", "/x"}}},
		{"dockerd --debug=false -D -Hfd:// -H=tcp://:1", []Flag{{"debug", "false"}, {"debug", "true"}, {"hosts", "fd://"}, {"hosts", "tcp://:1"}}},
		{"dockerd --insecure-registry r --log-opt a=b -g /y", []Flag{{"insecure-registries", "r"}, {"log-opts", "a=b"}, {"graph", "/y"}}},
		{"dockerd stray -z --data-root", []Flag{{"data-root", "true"}}},
	} {
		if got := Flags(strings.Fields(c.args)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.args, got, c.want)
		}
	}
	if got := Find(Flags([]string{"dockerd", "--config-file", "/a.json"}), DefaultPath); got != "/a.json" {
		t.Errorf("found %s", got)
	}
	if got := Find(nil, DefaultPath); got != DefaultPath {
		t.Errorf("found %s", got)
	}
}

// What is set twice is found, as dockerd finds it: also when both say the same.
func TestConflicts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	write(t, path, `{"data-root": "/x", "hosts": ["unix:///a"], "runtimes": {}, "debug": true}`)
	got := load(t, path).Conflicts(Flags(strings.Fields("dockerd -H fd:// -H tcp://:1 --data-root=/x --add-runtime=r=/r --icc")))
	want := []Conflict{
		{"data-root", []string{"/x"}, []byte(`"/x"`)},
		{"hosts", []string{"fd://", "tcp://:1"}, []byte(`["unix:///a"]`)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
