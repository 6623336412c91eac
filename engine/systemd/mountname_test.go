package systemd

import "testing"

func TestMountName(t *testing.T) {
	for path, want := range map[string]string{
		"/":             "-.mount",
		"/mnt/big":      "mnt-big.mount",
		"/mnt/my-disk/": `mnt-my\x2ddisk.mount`,
		"/a b":          `a\x20b.mount`,
	} {
		if got := MountName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
