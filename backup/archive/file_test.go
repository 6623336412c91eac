package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"davit/engine/enginetest"

	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"
)

// stub is an engine that sends what the test gives it.
type stub []byte

func (s stub) SaveImages(context.Context, []string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(s)), nil
}

// What is saved under any name opens again as the same archive, and the
// standard tool for the name's ending reads it.
func TestSaveOpens(t *testing.T) {
	a, b := twoImages(t)
	archive := pack(t, docker20(t, a, b))
	for name, tool := range map[string][]string{
		"x.tar": {"cat"}, "x": {"cat"}, "x.tar.gz": {"gzip", "-dc"}, "x.TGZ": {"gzip", "-dc"}, "x.tar.zst": nil, "x.tzst": nil,
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := Save(t.Context(), stub(archive), nil, path); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if tool == nil && !bytes.Equal(got, archive) {
			t.Errorf("%s: another archive comes out", name)
		}
		if tool != nil {
			cmd := exec.Command(tool[0], tool[1:]...)
			cmd.Stdin = bytes.NewReader(got)
			if out, err := cmd.Output(); err != nil || !bytes.Equal(out, archive) {
				t.Errorf("%s: %s reads another archive (%v)", name, tool[0], err)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// When the engine's stream is not whole, the file that was there is still
// there, and nothing beside it.
func TestSaveKeepsOldFile(t *testing.T) {
	a, _ := twoImages(t)
	archive := pack(t, docker20(t, a))
	for name, sent := range map[string][]byte{
		"cut":   archive[:len(archive)-700],
		"error": append(bytes.Clone(archive[:2048]), `{"message":"no space left"}`...),
	} {
		for _, file := range []string{"x.tar", "x.tar.gz", "x.tar.zst"} {
			path := filepath.Join(t.TempDir(), file)
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Save(t.Context(), stub(sent), nil, path); err == nil {
				t.Errorf("%s %s: no error", name, file)
			}
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(entries) != 1 {
				t.Errorf("%s %s: left behind %v, %v", name, file, entries, err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
				t.Errorf("%s %s: the old file is %q, %v", name, file, got, err)
			}
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	// A fifo stands for all that a rename would replace: devices too.
	if err := unix.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dir + "/x.tar.xz", dir + "/gone/x.tar", dir + "/fifo"} {
		if err := Save(t.Context(), stub("never read"), nil, path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}

// The content decides, not the name; what is no archive is refused.
func TestLoadable(t *testing.T) {
	a, _ := twoImages(t)
	archive := pack(t, docker20(t, a))
	var xzed bytes.Buffer
	w, err := xz.NewWriter(&xzed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(archive); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	old := bytes.Clone(archive)
	old = bytes.Replace(old, []byte("ustar\x0000"), make([]byte, 8), 1)
	gz := compress(t, gzipped, archive)
	tests := map[string]struct{ in, out []byte }{
		"tar":  {archive, archive},
		"gzip": {gz, gz},
		"zstd": {compress(t, zstandard, archive), archive},
		"xz":   {xzed.Bytes(), archive},
	}
	for name, test := range tests {
		r, err := Loadable(bytes.NewReader(test.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, test.out) {
			t.Errorf("%s: another archive comes out (%v)", name, err)
		}
		if _, err := readLoadable(test.in[:len(test.in)/2]); name != "tar" && name != "gzip" && err == nil {
			t.Errorf("%s: half of it is read as whole", name)
		}
	}
	for want, in := range map[string][]byte{
		"empty": nil, "no archive": []byte(strings.Repeat("no archive ", 100)), "it is no": old,
		"dictionary too large": hugeXZ(xzed.Bytes()),
	} {
		if _, err := readLoadable(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func readLoadable(in []byte) ([]byte, error) {
	r, err := Loadable(bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// hugeXZ asks for a dictionary of 4 GiB.
func hugeXZ(in []byte) []byte {
	in = bytes.Clone(in)
	in[12+4] = 40
	return in
}

// The dictionary sizes that `xz` itself writes are read right: they are what
// the limit is for.
func TestDictSize(t *testing.T) {
	for preset, want := range map[string]uint64{"-1": 1 << 20, "-6": 8 << 20, "-9": 64 << 20} {
		cmd := exec.Command("xz", preset, "-T1", "-c")
		cmd.Stdin = strings.NewReader("davit")
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("needs xz: %v", err)
		}
		if got := dictSize(out[12:]); got != want {
			t.Errorf("xz %s: got %d, want %d", preset, got, want)
		}
	}
}

// A real engine loads what was saved in each form.
func TestEngineLoadsFiles(t *testing.T) {
	h := startHost(t, enginetest.DockerdOptions{Version: "20.10"})
	h.MakeImage(t, "base:1", enginetest.File{Name: "etc/motd", Content: "hello"})
	want := h.want(t, "base:1")
	archive := []byte(h.CLI(t, "save", "base:1"))
	for _, name := range []string{"x.tar", "x.tar.gz", "x.tar.zst"} {
		path := filepath.Join(t.TempDir(), name)
		if err := Save(t.Context(), stub(archive), nil, path); err != nil {
			t.Fatal(err)
		}
		h.removeImages(t)
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		h.CLIInput(t, r, "load")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if got := h.want(t, "base:1"); got[0].ID != want[0].ID || !slices.Equal(got[0].Tags, want[0].Tags) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
