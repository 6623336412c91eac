package daemonjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"davit/engine/hostfs"
)

// File is a configuration file in memory. It is not for concurrent use.
type File struct {
	path   string // as the engine names it
	target string // what it is, links followed
	data   []byte // as it was read; nil when there is no file
	text   []byte // as it is now, in UTF-8
	store  encoding
}

// Load reads a file. One that does not exist is an empty object; a broken one is a
// [*SyntaxError].
func Load(path string) (*File, error) {
	f := &File{path: path, target: path}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("read %s: it is a symlink to nothing", path)
		}
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	f.target = target
	if f.data, err = os.ReadFile(target); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return f, f.read()
}

func (f *File) read() error {
	var err error
	if f.text, f.store, err = decode(f.data); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	if f.empty() {
		return nil
	}
	return check(f.path, f.text)
}

// empty tells whether there is not even an object.
func (f *File) empty() bool { return len(bytes.TrimSpace(f.text)) == 0 }

// Path is the file's name as it was given to Load.
func (f *File) Path() string { return f.path }

// Exists tells whether there was a file when it was read.
func (f *File) Exists() bool { return f.data != nil }

// Bytes is the file as Save would write it.
func (f *File) Bytes() []byte { return f.store.encode(f.text) }

// Original is the file as it was read; nil when there was none.
func (f *File) Original() []byte { return f.data }

// Keys lists the keys of the file's object, in its order.
func (f *File) Keys() []string {
	if f.empty() {
		return nil
	}
	var keys []string
	for _, m := range parse(f.text, begin(f.text, 0)).members {
		keys = append(keys, m.key)
	}
	return keys
}

// Get returns the raw value at a path of keys.
func (f *File) Get(keys ...string) (json.RawMessage, bool) {
	if f.empty() {
		return nil, false
	}
	at := begin(f.text, 0)
	for n, key := range keys {
		o := parse(f.text, at)
		i := o.find(key)
		if i < 0 {
			return nil, false
		}
		m := o.members[i]
		if n == len(keys)-1 {
			return json.RawMessage(f.text[m.valueStart:m.valueEnd]), true
		}
		if at = m.valueStart; f.text[at] != '{' {
			return nil, false
		}
	}
	return nil, false
}

// String returns the value at a path of keys when it is a string, else "".
func (f *File) String(keys ...string) string {
	raw, _ := f.Get(keys...)
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Set puts a value at a path of keys. A member that is there is changed in its place, a new
// one is the last. Its error is that a key on the way is no object, and changes nothing.
func (f *File) Set(value any, keys ...string) error {
	text := f.text
	if f.empty() {
		text = []byte("{}\n")
	}
	text, err := set(text, begin(text, 0), keys, value)
	if err != nil {
		return fmt.Errorf("set %s in %s: %w", strings.Join(keys, "."), f.path, err)
	}
	f.text = text
	return nil
}

// Remove takes the member at a path of keys out, if it is there.
func (f *File) Remove(keys ...string) {
	if !f.empty() {
		f.text = remove(f.text, begin(f.text, 0), keys)
	}
}

// Save puts the file in place, if something changed. A new one gets mode 0644 and the folder
// it needs.
func (f *File) Save() error {
	if f.Exists() && bytes.Equal(f.Bytes(), f.data) || !f.Exists() && f.empty() {
		return nil
	}
	if strings.HasPrefix(f.target, "/nix/store/") {
		return fmt.Errorf("write %s: %w", f.path, ErrManaged)
	}
	now, err := os.ReadFile(f.target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write configuration: %w", err)
	}
	if (err == nil) != f.Exists() || !bytes.Equal(now, f.data) {
		return fmt.Errorf("write %s: %w", f.path, ErrChanged)
	}
	if err := f.write(); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	f.data = f.Bytes()
	return nil
}

func (f *File) write() error {
	if !f.Exists() {
		if err := os.MkdirAll(filepath.Dir(f.target), 0o755); err != nil {
			return err
		}
		return hostfs.WriteFile(f.target, f.Bytes(), 0o644)
	}
	a, err := hostfs.Create(f.target, 0o600)
	if err != nil {
		return err
	}
	defer a.Abort()
	if err := a.Like(f.target); err != nil {
		return err
	}
	if _, err := a.Write(f.Bytes()); err != nil {
		return err
	}
	return a.Commit()
}
