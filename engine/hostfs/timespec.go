package hostfs

import "time"

// Timespec is a file time: seconds since 1970 (negative before) and nanoseconds, 0 to 999,999,999, counted forward from
// there. File systems hold years that a single int64 of nanoseconds cannot.
type Timespec struct {
	Sec  int64
	Nsec uint32
}

// TimespecOf converts a time.Time; the location is lost.
func TimespecOf(t time.Time) Timespec {
	return Timespec{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())}
}

// Before says whether t is earlier than u.
func (t Timespec) Before(u Timespec) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}

// Time returns t in UTC.
func (t Timespec) Time() time.Time {
	return time.Unix(t.Sec, int64(t.Nsec)).UTC()
}
