package backup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"davit/engine"
	"davit/engine/enginetest"
	"davit/engine/guard"
)

// benchSize is the volume of BenchmarkFreeze: files of 1 MiB, of which benchHot are written over and over.
const (
	benchFiles = 2000
	benchHot   = benchFiles / 100
)

// rewriteHot writes one per cent of the volume again and again, and ends at once when it is told to.
var rewriteHot = fmt.Sprintf(`trap 'exit 0' TERM; i=0
while :; do i=$(((i+1)%%%d)); dd if=/dev/urandom of=/data/f$i bs=64k count=16 conv=notrunc 2> /dev/null; done`, benchHot)

// BenchmarkFreeze measures how long a container with a volume of 2 GB, 1 % of which it writes all the time, stands still for a
// backup, against stopping it, tar and starting it again. "ratio" is what is to be at most 0.15.
func BenchmarkFreeze(b *testing.B) {
	enginetest.NeedRoot(b)
	for _, fs := range []string{"ext4", "xfs", "btrfs"} {
		b.Run(fs, func(b *testing.B) {
			disk := b.TempDir()
			if out, err := exec.Command("mount", "--bind", benchDisk(b, fs), disk).CombinedOutput(); err != nil {
				b.Fatalf("mount: %v: %s", err, out)
			}
			b.Cleanup(func() { _ = exec.Command("umount", "--lazy", disk).Run() })
			h := newBenchHost(b, disk)
			o := CreateOptions{Selection: Selection{Containers: []string{"app"}, NoImages: true}}
			h.backUp(b, o) // the first night
			var frozen, stopped time.Duration
			for b.Loop() {
				stopped += h.stopTarStart(b)
				frozen += h.backUp(b, o)
			}
			b.ReportMetric(float64(frozen.Milliseconds())/float64(b.N), "frozen-ms/op")
			b.ReportMetric(float64(stopped.Milliseconds())/float64(b.N), "stop-tar-start-ms/op")
			b.ReportMetric(frozen.Seconds()/stopped.Seconds(), "ratio")
		})
	}
}

func benchDisk(b *testing.B, fs string) string {
	b.Helper()
	const size = 8 << 30
	if fs == "ext4" {
		return enginetest.Disk(b, size)
	}
	return enginetest.CowDisk(b, fs, size)
}

// benchHost is an engine with the container of BenchmarkFreeze.
type benchHost struct {
	*enginetest.Dockerd
	env       *Env
	disk, src string
}

func newBenchHost(b *testing.B, disk string) *benchHost {
	b.Helper()
	h := &benchHost{Dockerd: enginetest.StartDockerd(b, enginetest.DockerdOptions{}), disk: disk, src: disk + "/src"}
	if err := os.Mkdir(h.src, 0o755); err != nil {
		b.Fatal(err)
	}
	random, data := rand.NewChaCha8([32]byte{1}), make([]byte, 1<<20)
	for i := range benchFiles {
		_, _ = random.Read(data) // never fails
		if err := os.WriteFile(fmt.Sprintf("%s/f%d", h.src, i), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	eng, err := engine.Connect(b.Context(), engine.Target{Host: h.Host})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = eng.Close() })
	h.env = testEnv(b, eng)
	h.env.Hold = GuardedBy(guard.Options{StateDir: GuardFolder(h.env.StateDir), Endpoint: eng.Endpoint()}, guard.Of(eng))
	h.MakeImage(b, "base:1")
	h.RunContainer(b, "--name", "app", "-v", h.src+":/data", "base:1", "sh", "-c", rewriteHot)
	return h
}

// backUp makes a backup and returns how long the container stood still.
func (h *benchHost) backUp(b *testing.B, o CreateOptions) time.Duration {
	b.Helper()
	plan, err := PlanCreate(b.Context(), h.env, o)
	if err != nil {
		b.Fatal(err)
	}
	report, err := ApplyCreate(b.Context(), h.env, plan)
	if err != nil || len(report.Freezes) != 1 || !report.Complete {
		b.Fatalf("%v: %+v", err, report)
	}
	return time.Duration(report.Freezes[0].Seconds * float64(time.Second))
}

// stopTarStart makes the backup that needs no tool, and returns how long the container stood still.
func (h *benchHost) stopTarStart(b *testing.B) time.Duration {
	b.Helper()
	archive := h.disk + "/all.tar"
	began := time.Now()
	h.CLI(b, "stop", "app")
	if out, err := exec.Command("tar", "-C", h.src, "-cf", archive, ".").CombinedOutput(); err != nil {
		b.Fatalf("tar: %v: %s", err, out)
	}
	h.CLI(b, "start", "app")
	took := time.Since(began)
	if err := os.Remove(archive); err != nil {
		b.Fatal(err)
	}
	return took
}
