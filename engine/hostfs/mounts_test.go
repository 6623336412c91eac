package hostfs

import (
	"slices"
	"testing"
)

func TestParseMount(t *testing.T) {
	m, ok := parseMount(`36 35 98:0 /sub\040dir /mnt/a\134b rw,noexec shared:1 master:2 - ext4 /dev/x rw,prjquota`)
	if !ok || m.ID != 36 || m.Root != "/sub dir" || m.Point != `/mnt/a\b` || m.FSType != "ext4" || m.Source != "/dev/x" ||
		!slices.Equal(m.Options, []string{"rw", "noexec", "rw", "prjquota"}) {
		t.Errorf("%+v %v", m, ok)
	}
	if _, ok := parseMount("36 35 98:0 / /mnt rw - "); ok {
		t.Error("half a line was taken")
	}
}

func TestMountOf(t *testing.T) {
	mounts := []Mount{{ID: 1, Point: "/"}, {ID: 2, Point: "/mnt"}, {ID: 3, Point: "/mnt/big"}, {ID: 4, Point: "/mnt"}}
	for path, id := range map[string]uint64{"/": 1, "/mntx": 1, "/mnt": 4, "/mnt/a": 4, "/mnt/big": 3, "/mnt/big/a/b": 3} {
		if m, ok := MountOf(mounts, path); !ok || m.ID != id {
			t.Errorf("%s is on %d, want %d", path, m.ID, id)
		}
	}
}

func TestMountsOfThisProcess(t *testing.T) {
	mounts, err := Mounts()
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := MountOf(mounts, "/proc"); !ok || m.FSType != "proc" {
		t.Errorf("/proc is %+v", m)
	}
}
