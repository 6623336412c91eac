//go:build integration

package hosttest

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"davit/engine/enginetest"
	"davit/engine/hostfs"
)

// BenchmarkMove moves a real data-root of 5.4 GB in 130,000 files to an ext4 and to an xfs on disks of their own, and
// does the same as people do it: stop, rsync, start. It is done once each, with
//
//	go test -tags integration -run '^$' -bench Move/ext4 -benchtime 1x -timeout 30m ./migrate/hosttest
//
// One file in a hundred changes after the warm passes: a container does that when it is told to end. What both have to
// wait for, the stop and the start of the engine, is told apart.
func BenchmarkMove(b *testing.B) {
	for _, disk := range []string{"ext4", "xfs"} {
		b.Run(disk, func(b *testing.B) {
			h := emptyHost(b, enginetest.HostOptions{Engine: "20.10", Disks: []string{disk + ":14G"}})
			h.fill()
			b.Run("copy", func(b *testing.B) { h.copies(b) })
			b.Run("downtime", func(b *testing.B) { h.downtimes(b) })
		})
	}
}

// fill makes the data-root, with a container that changes one file in a hundred of its volume and its layer when it ends.
func (h *host) fill() {
	h.t.Helper()
	root := h.Root(h.t)
	gentree := func(dir, files, bytes string) {
		cmd := exec.Command("go", "run", "davit/scripts/bench/gentree", "-files", files, "-bytes", bytes, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			h.t.Fatalf("gentree: %v: %s", err, out)
		}
	}
	h.must("mkdir -p /root/img/bin /root/img/layer && cp /bin/busybox /root/img/bin/ && for a in sh awk find sleep; do ln -s busybox /root/img/bin/$a; done; docker volume create data > /dev/null")
	gentree(root+"/root/img/layer", "50000", "2000000000")
	h.must("tar -C /root/img -c . | docker import - big:1 > /dev/null; rm -rf /root/img")
	gentree(root+"/var/lib/docker/volumes/data/_data", "80000", "3400000000")
	h.must(`docker run -d --name changer --restart always --network none -v data:/data big:1 /bin/sh -c '
	trap "/bin/awk \"{ print \\\"changed\\\" >> \\\$0; close(\\\$0) }\" /list; exit 0" TERM
	/bin/find /data /layer/lib /layer/srv -type f | /bin/awk "NR % 100 == 0" > /list
	while :; do /bin/sleep 1000 & wait $!; done' > /dev/null; sync`)
	h.waitFor("the list is made", "[ $(docker exec changer /bin/awk 'END {print NR}' /list) -gt 800 ]")
}

// copies copies the root of an engine at rest, sync included, by davit's copier, rsync and cp, in turn.
func (h *host) copies(b *testing.B) {
	h.t = b
	h.must("docker stop -t 60 changer > /dev/null; davit engine stop > /dev/null")
	root := h.Root(b)
	from, to := root+"/var/lib/docker", root+"/mnt/disk1/copy"
	took := map[string]time.Duration{}
	for range b.N {
		for _, tool := range []struct {
			name string
			run  func() error
		}{
			{"warming", func() error { return exec.Command("cp", "-a", from+"/.", to).Run() }},
			{"davit", func() error { return h.copyTree(b, from, to) }},
			{"rsync", func() error { return exec.Command("rsync", "-aHAXS", "--numeric-ids", from+"/", to+"/").Run() }},
			{"cp", func() error { return exec.Command("cp", "-a", from+"/.", to).Run() }},
		} {
			h.must("mkdir /mnt/disk1/copy; sync -f /mnt/disk1; fstrim /mnt/disk1 2> /dev/null || true")
			began := time.Now()
			if err := tool.run(); err != nil {
				b.Fatalf("%s: %v", tool.name, err)
			}
			h.must("sync -f /mnt/disk1")
			took[tool.name] += time.Since(began)
			if tool.name == "davit" {
				began := time.Now()
				h.compareTree(b, from, to)
				took["verify"] += time.Since(began)
			}
			h.must("rm -rf /mnt/disk1/copy")
		}
	}
	seconds := func(name string) float64 { return took[name].Seconds() / float64(b.N) }
	b.ReportMetric(seconds("davit"), "davit-s")
	b.ReportMetric(seconds("rsync"), "rsync-s")
	b.ReportMetric(seconds("cp"), "cp-s")
	b.ReportMetric(seconds("davit")/seconds("rsync"), "of-rsync")
	b.ReportMetric(seconds("davit")/seconds("cp"), "of-cp")
	b.ReportMetric(seconds("verify")/seconds("davit"), "verify-meta-of-copy")
	h.must("davit engine start > /dev/null; docker start changer > /dev/null")
}

func (h *host) copyTree(b *testing.B, from, to string) error {
	src, dst := h.tree(b, from), h.tree(b, to)
	defer src.Close()
	defer dst.Close()
	_, err := hostfs.CopyTree(b.Context(), src, dst, hostfs.CopyOptions{})
	return err
}

func (h *host) compareTree(b *testing.B, from, to string) {
	src, dst := h.tree(b, from), h.tree(b, to)
	defer src.Close()
	defer dst.Close()
	c, err := hostfs.CompareTree(b.Context(), src, dst, hostfs.CompareOptions{})
	if err != nil || c.Differences > 0 {
		b.Fatalf("%+v, %v", c, err)
	}
}

func (h *host) tree(b *testing.B, path string) *hostfs.Root {
	r, err := hostfs.OpenRoot(filepath.Clean(path))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// downtimes is what the containers are down for, by davit and by the usual way, and what of it is about files.
func (h *host) downtimes(b *testing.B) {
	h.t = b
	var whole, files, peerWhole, peerFiles, stop, start time.Duration
	for range b.N {
		out, _ := h.davit(0, "migrate run --to /mnt/disk1/docker --yes --json --progress none")
		var a struct {
			Report struct {
				Downtime    time.Duration `json:"downtime_ns"`
				EngineStop  time.Duration `json:"engine_stop_ns"`
				EngineStart time.Duration `json:"engine_start_ns"`
				VerifyTime  time.Duration `json:"verify_time_ns"`
				Passes      []struct {
					Final  bool
					Copied int
					Bytes  int64
					Time   time.Duration `json:"time_ns"`
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		r := a.Report
		last := r.Passes[len(r.Passes)-1]
		if !last.Final || last.Copied < 800 {
			b.Fatalf("the files that should have changed did not: %+v", r.Passes)
		}
		b.Logf("%+v", r)
		whole, stop, start = whole+r.Downtime, stop+r.EngineStop, start+r.EngineStart
		files += last.Time + r.VerifyTime
		h.davit(0, "migrate rollback --lose-writes --yes")
		h.must("rm -rf /mnt/disk1/docker; sync -f /mnt/disk1")

		began := time.Now()
		h.must("docker stop -t 60 changer > /dev/null; systemctl stop docker.socket docker.service")
		stopped := time.Now()
		h.must("rsync -aHAXS --numeric-ids /var/lib/docker/ /mnt/disk1/docker/; sync -f /mnt/disk1")
		peerFiles += time.Since(stopped)
		h.must(`mkdir -p /etc/docker; echo '{"data-root": "/mnt/disk1/docker"}' > /etc/docker/daemon.json; systemctl start docker.service; docker start changer > /dev/null`)
		peerWhole += time.Since(began)
		h.must("docker stop -t 60 changer; systemctl stop docker.socket docker.service; rm /etc/docker/daemon.json; systemctl start docker.service; docker start changer > /dev/null; rm -rf /mnt/disk1/docker")
	}
	n := float64(b.N)
	b.ReportMetric(whole.Seconds()/n, "down-s")
	b.ReportMetric(stop.Seconds()/n, "engine-stop-s")
	b.ReportMetric(start.Seconds()/n, "engine-start-s")
	b.ReportMetric(files.Seconds()/n, "files-s")
	b.ReportMetric(peerWhole.Seconds()/n, "rsync-down-s")
	b.ReportMetric(peerFiles.Seconds()/n, "rsync-files-s")
	b.ReportMetric(files.Seconds()/peerFiles.Seconds(), "files-of-rsync")
	b.ReportMetric(whole.Seconds()/peerWhole.Seconds(), "down-of-rsync")
}
