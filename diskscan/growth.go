package diskscan

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Growing is what grows now: the difference of two reports.
type Growing struct {
	Time        time.Time `json:"time"`
	Seconds     float64   `json:"seconds"`          // between the two
	Total       int64     `json:"bytes_per_second"` // of everything that was scanned
	Owners      []Rate    `json:"owners"`           // that changed, the fastest first
	FileSystems []Filling `json:"file_systems"`
}

// Rate is how fast an owner grows; negative: shrinks.
type Rate struct {
	Kind           Kind   `json:"kind"`
	Name           string `json:"name"`
	State          string `json:"state,omitempty"`
	BytesPerSecond int64  `json:"bytes_per_second"`
	Bytes          int64  `json:"bytes"` // now
}

// Filling is how fast a file system fills.
type Filling struct {
	MountPoint       string `json:"mount_point"`
	Free             int64  `json:"free"`
	BytesPerSecond   int64  `json:"bytes_per_second"`             // by whomever
	SecondsUntilFull *int64 `json:"seconds_until_full,omitempty"` // at this speed
}

// Compare says what grew from one report to the next.
func Compare(before, after *Report) *Growing {
	seconds := max(after.Time.Sub(before.Time).Seconds(), 0.001)
	perSecond := func(bytes int64) int64 { return int64(float64(bytes) / seconds) }
	g := &Growing{Time: after.Time, Seconds: seconds, Total: perSecond(after.Total.Bytes - before.Total.Bytes), Owners: []Rate{}}
	old := map[string]int64{}
	for _, o := range before.Owners {
		old[o.key()] = o.Bytes
	}
	for _, o := range after.Owners {
		if grown := o.Bytes - old[o.key()]; grown != 0 {
			g.Owners = append(g.Owners, Rate{Kind: o.Kind, Name: o.Name, State: o.State, BytesPerSecond: perSecond(grown), Bytes: o.Bytes})
		}
	}
	slices.SortFunc(g.Owners, func(a, b Rate) int {
		return cmp.Or(cmp.Compare(b.BytesPerSecond, a.BytesPerSecond), strings.Compare(a.Name, b.Name))
	})
	for _, fs := range after.FileSystems {
		for _, was := range before.FileSystems {
			if was.id == fs.id {
				g.FileSystems = append(g.FileSystems, filling(&was, &fs, perSecond))
			}
		}
	}
	return g
}

func filling(was, is *FileSystem, perSecond func(int64) int64) Filling {
	f := Filling{MountPoint: is.MountPoint, Free: is.Free, BytesPerSecond: perSecond(is.Used - was.Used)}
	if f.BytesPerSecond > 0 {
		left := f.Free / f.BytesPerSecond
		f.SecondsUntilFull = &left
	}
	return f
}
