package repo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Init makes is complete, private, and opens again with the same identity.
func TestInitMakesPrivateLayout(t *testing.T) {
	r := newRepo(t)
	err := filepath.WalkDir(r.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(filePerm)
		if entry.IsDir() {
			want = dirPerm
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(readFile(t, r.path("oci-layout")))); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	if other := reopen(t, r); other.Config() != r.Config() || r.Config().Chunker != defaultChunker() {
		t.Errorf("config %+v became %+v", r.Config(), other.Config())
	}
	if second := newRepo(t); second.Config().ID == r.Config().ID {
		t.Error("two repositories have one id")
	}
}

func TestInitRefusesWhatIsThere(t *testing.T) {
	full := t.TempDir()
	writeFile(t, filepath.Join(full, "letter"), []byte("x"))
	if _, err := Init(full, Options{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Init of a full folder: %v", err)
	}
	if names := fileNames(t, full); len(names) != 1 {
		t.Errorf("Init left %v", names)
	}
	if _, err := Init(newRepo(t).Dir(), Options{}); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Init of a repository: %v", err)
	}
	volume := t.TempDir()
	if err := os.Mkdir(filepath.Join(volume, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	initAt(t, volume, Options{})
}

// Each thing that is no repository has its own error, and stays as it was.
func TestOpenTellsWhatIsThere(t *testing.T) {
	base := t.TempDir()
	empty := filepath.Join(base, "empty")
	other := filepath.Join(base, "other")
	for _, dir := range []string{empty, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(other, "file"), nil)
	for _, c := range []struct {
		dir  string
		want error
	}{
		{filepath.Join(base, "absent"), ErrNoRepository},
		{empty, ErrNoRepository},
		{other, ErrNotRepository},
		{filepath.Join(other, "file"), ErrNotRepository},
	} {
		if _, err := Open(c.dir, Options{}); !errors.Is(err, c.want) {
			t.Errorf("Open(%s) = %v, want %v", c.dir, err, c.want)
		}
	}
	if names := fileNames(t, empty); len(names) != 0 {
		t.Errorf("Open left %v", names)
	}
}

func TestOpenChecksConfig(t *testing.T) {
	r := newRepo(t)
	good := string(readFile(t, r.path(configFile)))
	for name, config := range map[string]string{
		"cut off":        good[:len(good)/2],
		"unknown key":    strings.Replace(good, `"version"`, `"encryption":true,"version"`, 1),
		"version 0":      strings.Replace(good, `"version":1`, `"version":0`, 1),
		"bad id":         strings.Replace(good, r.Config().ID, "../../etc", 1),
		"huge chunks":    strings.Replace(good, "16777216", "1099511627776", 1),
		"no power of 2":  strings.Replace(good, "4194304", "4194305", 1),
		"tiny run":       strings.Replace(good, "262144", "1", 1),
		"more after it":  good + "{}",
		"not an object":  "[]",
		"longer than ok": good + strings.Repeat(" ", maxSmallFile),
	} {
		writeFile(t, r.path(configFile), []byte(config))
		if _, err := Open(r.Dir(), Options{}); err == nil || errors.Is(err, ErrNotRepository) {
			t.Errorf("%s: Open says %v", name, err)
		}
	}
	writeFile(t, r.path(configFile), []byte(`{"version":7,"layout":"packs"}`))
	var newer *NewerFormatError
	if _, err := Open(r.Dir(), Options{}); !errors.As(err, &newer) || newer.Version != 7 {
		t.Errorf("Open of format 7: %v", err)
	}
}

// A read-only repository is read without a single change.
func TestReadOnlyWritesNothing(t *testing.T) {
	r := newRepo(t)
	snap := commitTree(t, begin(t, r), "pgdata", 1)
	o := r.opt
	o.ReadOnly = true
	ro, err := Open(r.Dir(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if got, err := ro.Find(t.Context(), Latest, Query{}); err != nil || got.ID != snap.ID {
		t.Errorf("Find = %v, %v", got.ID, err)
	}
	if _, err := ro.Begin(t.Context(), SessionInfo{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Begin: %v", err)
	}
	if err := ro.WriteIndexJSON(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("WriteIndexJSON: %v", err)
	}
	if _, err := ro.RebuildIndex(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("RebuildIndex: %v", err)
	}
}
