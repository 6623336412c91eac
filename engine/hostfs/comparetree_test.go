//go:build linux

package hostfs_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// compare lists what CompareTree finds, content included.
func compare(t *testing.T, from, to string) []string {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	note := func(path, what string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf("%q: %s", path, what))
	}
	result, err := hostfs.CompareTree(t.Context(), openRoot(t, from), openRoot(t, to), hostfs.CompareOptions{
		Content: func(*hostfs.Entry) bool { return true },
		Differ:  note,
		Problem: func(path string, err error) { note(path, "problem: "+err.Error()) },
	})
	must(t, err)
	if int(result.Differences) > len(lines) {
		t.Errorf("%d differences, %d told", result.Differences, len(lines))
	}
	slices.Sort(lines)
	return lines
}

// Each kind of difference is found and named.
func TestCompareTreeFinds(t *testing.T) {
	enginetest.NeedRoot(t)
	disk := enginetest.Disk(t, 64<<20)
	for _, c := range []struct{ name, change, want string }{
		{"content", "printf B > f; touch -d @1 f", `"f": content differs`},
		{"size", "printf BB > f; touch -d @1 f", `"f": size was 1, is 2`},
		{"mtime", "touch -d @1.000000001 f", `"f": mtime was 1.000000000, is 1.000000001`},
		{"mode", "chmod 600 f", `"f": mode was 644, is 600`},
		{"owner", "chown 7:8 f", `"f": owner was 0:0, is 7:8`},
		{"missing", "rm f; touch -d @1 .", `"f": is missing`},
		{"more", "touch g; touch -d @1 .", `"g": is only in the copy`},
		{"type", "rm f; mkfifo f; touch -d @1 .", `"f": type was 100000, is 10000`},
		{"target", "rm s; ln -s z s; touch -h -d @1 s .", `"s": target was "y", is "z"`},
		{"device", "rm c; mknod c c 1 4; touch -d @1 c .", `"c": device was 0x103, is 0x104`},
		{"xattr", "setfattr -n user.a -v 2 f", `"f": xattr user.a was "1", is "2"`},
		{"xattr missing", "setfattr -x user.a f", `"f": xattr user.a is missing`},
		{"xattr more", "setfattr -n user.b -v 2 d", `"d": xattr user.b is only in the copy`},
		{"link", "cp -a h2 h3; mv h3 h2; touch -d @1 .", `"h2": is no longer a link of "h1"`},
		{"flag", "chattr +d f", `"f": flags were 0x0, are 0x40`},
		{"root", "chmod 700 .", `"": mode was 755, is 700`},
		{"below", "chmod 700 d/e", `"d/e": mode was 755, is 700`},
		{"none", "true", ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := filepath.Join(disk, c.name+"1"), filepath.Join(disk, c.name+"2")
			sh(t, disk, "umask 022; mkdir '"+from+"'; cd '"+from+"'; mkdir -p d/e; printf A > f; ln -s y s; mknod c c 1 3; touch h1; ln h1 h2; setfattr -n user.a -v 1 f; "+
				"touch -h -d @1 d/e d f s c h1 .; cp -a . '"+to+"'; cd '"+to+"'; "+c.change)
			want := []string{c.want}
			if c.want == "" {
				want = nil
			}
			if got := compare(t, from, to); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func sh(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}
