package hostfs

// Mkdev is the number of a device, as Linux makes it of its two parts wherever davit runs.
func Mkdev(major, minor uint32) uint64 {
	a, b := uint64(major), uint64(minor)
	return a&0xfff<<8 | a&^0xfff<<32 | b&0xff | b&^0xff<<12
}

// Major is the part of a device's number that names its driver.
func Major(dev uint64) uint32 { return uint32(dev>>8&0xfff | dev>>32&^0xfff) }

// Minor is the part of a device's number that tells a driver's devices apart.
func Minor(dev uint64) uint32 { return uint32(dev&0xff | dev>>12&^0xff) }
