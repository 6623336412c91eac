package daemonjson

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Setting and removing a key changes that member and nothing else, in the style of the file.
func TestEditKeepsTheRest(t *testing.T) {
	root := func(f *File) error { return f.Set("/new", "data-root") }
	for _, c := range []struct {
		name, before string
		edit         func(*File) error
		after        string
	}{
		{"no file", "", root, "{\n  \"data-root\": \"/new\"\n}\n"},
		{"blank file", " \n", root, "{\n  \"data-root\": \"/new\"\n}\n"},
		{"empty object", "{}", root, "{\n  \"data-root\": \"/new\"\n}"},
		{"replaced in its place", "{\n\t\"b\": 1,\n\t\"data-root\" :  \"/old\",\n\t\"a\": 2\n}\n", root,
			"{\n\t\"b\": 1,\n\t\"data-root\" :  \"/new\",\n\t\"a\": 2\n}\n"},
		{"added at the end", "{\n    \"b\": 1,\n    \"a\": [1,\n  2]\n}\n", root,
			"{\n    \"b\": 1,\n    \"a\": [1,\n  2],\n    \"data-root\": \"/new\"\n}\n"},
		{"one line", `{"b":1, "a":2}`, root, `{"b":1, "a":2, "data-root":"/new"}`},
		{"one line, one member", `{"b":1}`, root, `{"b":1,"data-root":"/new"}`},
		{"lines of Windows", "{\r\n  \"b\": 1\r\n}\r\n", root, "{\r\n  \"b\": 1,\r\n  \"data-root\": \"/new\"\r\n}\r\n"},
		{"byte order mark", "\ufeff{\"b\": 1}", root, "\ufeff{\"b\": 1,\"data-root\": \"/new\"}"},
		{"the same value", "{\"data-root\" : \"/new\"}", root, "{\"data-root\" : \"/new\"}"},
		{"unescaped", "{}", func(f *File) error { return f.Set("/a&<b>", "x") }, "{\n  \"x\": \"/a&<b>\"\n}"},
		{"nested, made", "{\n    \"b\": 1\n}", func(f *File) error { return f.Set(true, "features", "containerd-snapshotter") },
			"{\n    \"b\": 1,\n    \"features\": {\n        \"containerd-snapshotter\": true\n    }\n}"},
		{"nested, there", "{\n  \"features\": {\n    \"x\": false\n  }\n}",
			func(f *File) error { return f.Set(true, "features", "containerd-snapshotter") },
			"{\n  \"features\": {\n    \"x\": false,\n    \"containerd-snapshotter\": true\n  }\n}"},
		{"nested, there but empty", "{\n  \"features\": {}\n}",
			func(f *File) error { return f.Set(true, "features", "containerd-snapshotter") },
			"{\n  \"features\": {\n    \"containerd-snapshotter\": true\n  }\n}"},
		{"nested, in one line", `{"features": {}}`,
			func(f *File) error { return f.Set(true, "features", "x") }, `{"features": {"x": true}}`},
		{"removed first", "{\n  \"a\": 1,\n  \"b\": 2\n}", func(f *File) error { f.Remove("a"); return nil }, "{\n  \"b\": 2\n}"},
		{"removed last", "{\n  \"a\": 1,\n  \"b\": 2\n}", func(f *File) error { f.Remove("b"); return nil }, "{\n  \"a\": 1\n}"},
		{"removed only", "{\n  \"a\": 1\n}\n", func(f *File) error { f.Remove("a"); return nil }, "{}\n"},
		{"removed nested", "{\"a\": {\"b\": 1, \"c\": 2}}", func(f *File) error { f.Remove("a", "b"); return nil }, "{\"a\": {\"c\": 2}}"},
		{"removed what is not there", "{\"a\": 1}", func(f *File) error { f.Remove("x"); f.Remove("a", "x"); return nil }, "{\"a\": 1}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "daemon.json")
			if c.name != "no file" {
				write(t, path, c.before)
			}
			f := load(t, path)
			if err := c.edit(f); err != nil {
				t.Fatal(err)
			}
			if err := f.Save(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.after {
				t.Errorf("got %q\nwant %q", got, c.after)
			}
		})
	}
}

// UTF-16 files, which dockerd takes, are read and written back as such.
func TestUTF16(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	for _, e := range encodings()[1:] {
		write(t, path, string(e.encode([]byte(`{"label": "ü😀"}`))))
		f := load(t, path)
		if got := f.String("label"); got != "ü😀" {
			t.Errorf("label is %q", got)
		}
		if err := errors.Join(f.Set("/new", "data-root"), f.Save()); err != nil {
			t.Fatal(err)
		}
		got, _ := os.ReadFile(path)
		if want := e.encode([]byte(`{"label": "ü😀","data-root": "/new"}`)); string(got) != string(want) {
			t.Errorf("wrote %q, want %q", got, want)
		}
	}
}

// Files that cannot be understood are refused with the place, and stay.
func TestBrokenFilesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, text   string
		line, column int
		reason       string
	}{
		{"comment", "{\n  // why\n  \"a\": 1\n}", 2, 3, "JSON has no comments"},
		{"hash", "# why\n{}", 1, 1, "JSON has no comments"},
		{"comma too many", "{\n  \"a\": 1,\n}", 3, 1, "invalid character '}'"},
		{"comma missing", "{\n  \"ü\": 1  \"b\": 2\n}", 2, 11, "invalid character '\"'"},
		{"cut", "{\n  \"a\": 1", 2, 9, "unexpected end"},
		{"more behind", "{}\n{}", 2, 1, "after top-level value"},
		{"list", " [1]", 1, 2, "no object"},
		{"twice", "{\"a\": 1,\n \"a\": 2}", 2, 2, `"a" is there twice`},
		{"twice, nested", "{\"a\": {\"b\": 1, \"b\": 2}}", 1, 16, `"b" is there twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "daemon.json")
			write(t, path, c.text)
			_, err := Load(path)
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("error is %v", err)
			}
			if s.Line != c.line || s.Column != c.column || !strings.Contains(s.Reason, c.reason) || s.Path != path {
				t.Errorf("got %v, want line %d, column %d, %s", s, c.line, c.column, c.reason)
			}
		})
	}
}

// A value of the wrong kind on the way is an error and changes nothing.
func TestSetThroughNoObject(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	write(t, path, `{"features": []}`)
	f := load(t, path)
	if err := f.Set(true, "features", "x"); err == nil {
		t.Error("set a member of a list")
	}
	if string(f.Bytes()) != `{"features": []}` {
		t.Errorf("is now %s", f.Bytes())
	}
}

// FuzzEdit sets and removes a key in whatever is accepted, and looks at the result with
// another JSON reader.
func FuzzEdit(f *testing.F) {
	for _, s := range []string{"", "{}", `{"a":1}`, "{\n\t\"a\" : {\"b\":[1,{}]},\n\t\"c\":null}", "{\"features\":{}}", `{"\u0061":"x"}`} {
		f.Add(s, "a", "v")
		f.Add(s, "features", "b")
	}
	f.Fuzz(func(t *testing.T, text, key, value string) {
		file := &File{path: "f", text: []byte(text), data: []byte(text)}
		if !file.empty() && check("f", file.text) != nil {
			return
		}
		want := values(t, file)
		if err := file.Set(value, key); err != nil {
			t.Fatal(err)
		}
		_, had := want[decoded(t, key)]
		want[decoded(t, key)] = decoded(t, value)
		if got := values(t, file); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", text, file.text)
		}
		if !had {
			keys := file.Keys()
			if keys[len(keys)-1] != decoded(t, key) {
				t.Fatalf("%q is not the last of %q", key, keys)
			}
		}
		file.Remove(decoded(t, key))
		delete(want, decoded(t, key))
		if got := values(t, file); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", text, file.text)
		}
	})
}

// decoded is what JSON makes of a string that may be no UTF-8.
func decoded(t *testing.T, s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out string
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func values(t *testing.T, f *File) map[string]any {
	all := map[string]any{}
	if !f.empty() {
		if err := json.Unmarshal(f.text, &all); err != nil {
			t.Fatalf("%q: %v", f.text, err)
		}
	}
	return all
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) *File {
	t.Helper()
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
