//go:build linux

package hostfs

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Numbers of devices are made and taken apart as the kernel does it.
func TestDeviceNumbers(t *testing.T) {
	for _, part := range []uint32{0, 1, 5, 0xff, 0x100, 0xfff, 0x1000, 0xabcdef, 0xffffffff} {
		for _, other := range []uint32{0, 3, 0x1ff, 0x12345678, 0xffffffff} {
			dev := Mkdev(part, other)
			if want := unix.Mkdev(part, other); dev != want {
				t.Errorf("Mkdev(%#x, %#x) is %#x, want %#x", part, other, dev, want)
			}
			if Major(dev) != part || Minor(dev) != other {
				t.Errorf("%#x is %#x, %#x, want %#x, %#x", dev, Major(dev), Minor(dev), part, other)
			}
		}
	}
}
