package job

import (
	"os"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// All threads stand behind, those that are there and those that come.
func TestYield(t *testing.T) {
	if err := Yield(0, IONice{}); err != nil {
		t.Error(err)
	}
	if err := Yield(3, IONice{Class: ioIdle}); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 20 { // calls that block take threads of their own
		wait.Go(func() { _, _ = unix.Poll(nil, 20) })
	}
	wait.Wait()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		if err == unix.ESRCH {
			continue
		}
		if nice = 20 - nice; err != nil || nice < 3 { // the kernel's own call counts from 40 down to 1
			t.Errorf("thread %d: nice is %d, %v", tid, nice, err)
		}
		class, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioWhoProcess, uintptr(tid), 0)
		if errno == 0 && class>>ioClassShift != ioClassIdle {
			t.Errorf("thread %d: class %d", tid, class>>ioClassShift)
		}
	}
}
