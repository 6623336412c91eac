package chunk

// The typeflags of POSIX ustar and pax that a stream holds.
const (
	tarFile     = '0'
	tarHardlink = '1'
	tarSymlink  = '2'
	tarChar     = '3'
	tarBlock    = '4'
	tarFolder   = '5'
	tarFifo     = '6'
	tarExtended = 'x'
)

// ustar is one 512-byte header block (POSIX.1-1988). Values that do not fit are
// in PAX records, and zero here.
type ustar struct {
	name, link   string
	kind         byte
	mode         uint32
	uid, gid     uint32
	size, mtime  int64
	major, minor uint32
}

// Offsets of the fields of a ustar block.
const (
	atMode  = 100
	atUID   = 108
	atGID   = 116
	atSize  = 124
	atMtime = 136
	atSum   = 148
	atKind  = 156
	atLink  = 157
	atMagic = 257
	atMajor = 329
	atMinor = 337
)

func appendUstar(dst []byte, u *ustar) []byte {
	at := len(dst)
	dst = appendZeros(dst, blockSize)
	b := dst[at:]
	copy(b[:100], u.name)
	octal(b[atMode:atMode+8], int64(u.mode&0o7777))
	octal(b[atUID:atUID+8], int64(u.uid))
	octal(b[atGID:atGID+8], int64(u.gid))
	octal(b[atSize:atSize+12], u.size)
	octal(b[atMtime:atMtime+12], u.mtime)
	b[atKind] = u.kind
	copy(b[atLink:atLink+100], u.link)
	copy(b[atMagic:], "ustar\x0000")
	if u.kind == tarChar || u.kind == tarBlock {
		octal(b[atMajor:atMajor+8], int64(u.major))
		octal(b[atMinor:atMinor+8], int64(u.minor))
	}
	setChecksum(b)
	return dst
}

// setSize changes the size in the last block of headers, which has to be dense
// and below 8 GiB: its records do not depend on the size then.
func setSize(headers []byte, size int64) {
	b := headers[len(headers)-blockSize:]
	octal(b[atSize:atSize+12], size)
	setChecksum(b)
}

// octal writes n with leading zeros and a final NUL, or zero when it does not fit.
func octal(field []byte, n int64) {
	last := len(field) - 1
	if n < 0 || n>>(3*last) != 0 {
		n = 0
	}
	field[last] = 0
	for i := last - 1; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

func setChecksum(b []byte) {
	octal(b[atSum:atSum+7], checksum(b))
	b[atSum+7] = ' '
}

// checksum is the sum of all bytes with the checksum field read as spaces.
func checksum(b []byte) int64 {
	sum := int64(8 * ' ')
	for i, c := range b[:blockSize] {
		if i < atSum || i >= atSum+8 {
			sum += int64(c)
		}
	}
	return sum
}
