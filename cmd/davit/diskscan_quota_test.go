//go:build integration

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/diskscan"
	"davit/engine/enginetest"
)

// quotaMachine is the first process of a machine whose kernel has quotas. It sees the files of this one.
const quotaMachine = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export DAVIT_STATE_DIR=/mnt/state HOME=/mnt TZ=UTC
cd "$DIR"
mount -t proc proc /proc
for m in quota_tree quota_v2; do insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/quota/$m.ko; done
limit() { xfs_quota -f -x -c "$1" /mnt; }
as() { id=$1; shift; setpriv --reuid $id --regid $id --clear-groups "$@"; }
scan() { /mnt/davit diskscan --offline "$@"; echo "exit code $?"; }

for type in ext4 xfs; do
	device=/dev/ubda; [ $type = ext4 ] || device=/dev/ubdb
	mount -t $type -o usrquota,prjquota $device /mnt || exit 1
	chmod 755 /mnt
	cp -r store /mnt/docker
	cp "$DAVIT" /mnt/davit
	scan /mnt/docker > $type-free 2>&1

	limit "project -s -p /mnt/docker/volumes/data 7"
	limit "limit -p bhard=4m 7"
	limit "limit -u bhard=2m 61000"
	limit "limit -u ihard=20 61001"
	mkdir -m 777 /mnt/open
	chmod 777 /mnt/docker/volumes/data/_data
	as 61002 sh -c 'head -c 9000000 /dev/zero > /mnt/docker/volumes/data/_data/fill'
	as 61000 sh -c 'head -c 9000000 /dev/zero > /mnt/open/fill'
	as 61001 sh -c 'for i in $(seq 30); do : > /mnt/open/$i; done'
	sync
	scan /mnt/docker > $type-full 2>&1
	scan --json /mnt/docker > $type-json 2> $type-said
	as 61000 /mnt/davit diskscan --offline /mnt/open > $type-denied 2>&1
	umount /mnt
done
echo o > /proc/sysrq-trigger
sleep 60
`

// A project, which is what an engine makes of a limit of a volume, and users are full before the disk is: that is told
// first, with the volume's name. It runs in a kernel with quotas, since this machine's may have none.
func TestDiskscanQuotas(t *testing.T) {
	enginetest.NeedRoot(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("optional: Debian has the kernel for amd64 only")
	}
	dir := t.TempDir()
	startQuotaMachine(t, dir)
	for _, kind := range []string{"ext4", "xfs"} {
		read := func(name string) string {
			data, err := os.ReadFile(filepath.Join(dir, kind+"-"+name))
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		if out := read("free"); !strings.Contains(out, "  quotas are on, and none is nearly reached\n") || strings.Contains(out, "FULL") {
			t.Errorf("%s, nothing is full:\n%s", kind, out)
		}
		full := read("full")
		for _, want := range []string{
			"  FULL: the quota of project 7 (/mnt/docker/volumes/data): ", " of 4.0 MiB\n", "project 7 of the quota above is volume data\n",
			"  FULL: the quota of user 61000: ", " of 2.0 MiB\n", "  FULL: the quota of user 61001: 20 of 20 inodes\n", "exit code 0",
		} {
			if !strings.Contains(full, want) {
				t.Errorf("%s: %q is not in\n%s", kind, want, full)
			}
		}
		if out := read("denied"); !strings.Contains(out, "  FULL: the quota of user 61000: ") || strings.Contains(out, "61001") ||
			!strings.Contains(out, "only root sees those of others") {
			t.Errorf("%s, user 61000 sees:\n%s", kind, out)
		}
		checkQuotas(t, kind, read("json"))
	}
}

func checkQuotas(t *testing.T, kind, doc string) {
	t.Helper()
	var r diskscan.Report
	if err := json.NewDecoder(strings.NewReader(doc)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	fs := r.FileSystems[0]
	if !fs.Quota || fs.QuotasUnseen || len(fs.Quotas) != 3 || len(fs.Hit) != 0 || fs.Type != kind {
		t.Fatalf("%s: %+v", kind, fs)
	}
	i := slices.IndexFunc(fs.Quotas, func(q diskscan.Quota) bool { return q.Of == "project" })
	if q := fs.Quotas[i]; q.Limit != 4<<20 || q.Used < q.Limit-64<<10 || q.Used > q.Limit || q.Owner != "volume data" {
		t.Errorf("%s: %+v", kind, q)
	}
}

// startQuotaMachine runs quotaMachine to its end. What it says is in files in dir.
func startQuotaMachine(t *testing.T, dir string) {
	t.Helper()
	davit, err := exec.LookPath("davit")
	if err != nil {
		t.Fatal(err)
	}
	makeStoreIn(t, filepath.Join(dir, "store"))
	script := filepath.Join(dir, "init")
	disks := map[string][]string{
		"ext4": {"mkfs.ext4", "-q", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota"}, "xfs": {"mkfs.xfs", "-q"},
	}
	for name, mkfs := range disks {
		image := filepath.Join(dir, name)
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, 320<<20); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(mkfs[0], append(mkfs[1:], image)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", mkfs, err, out)
		}
	}
	if err := os.WriteFile(script, []byte(quotaMachine), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "linux.uml", "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "quiet",
		"con=null", "con0=null,fd:1", "umid="+filepath.Base(dir), fmt.Sprintf("ubd0=%s/ext4", dir), fmt.Sprintf("ubd1=%s/xfs", dir),
		"init="+script, "DIR="+dir, "DAVIT="+davit)
	cmd.Env = append(os.Environ(), "HOME="+dir) // for its own books
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("linux.uml: %v: %s", err, out)
	} else {
		t.Logf("%s", out)
	}
}
